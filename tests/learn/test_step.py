from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.learn import step
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.losses import build_loss
from napari_retseg.learn.setup import prepare
from napari_retseg.learn.state import TrainingState
from napari_retseg.learn.step import is_out_of_memory, take_step

CONFIG = TrainConfig(batch_size=4, device="cpu", precision="fp32", ema=0, optimizer="sgd")


def begin(
    dataset: Path, bundle: Path, config: TrainConfig = CONFIG
) -> tuple[TrainingState, torch.Tensor, torch.Tensor]:
    setup = prepare(load_dataset(dataset), config, start=bundle)
    batches = Batches(setup)
    list(batches.load())
    return TrainingState(setup), *batches.draw(0)


def take(
    state: TrainingState, images: torch.Tensor, labels: torch.Tensor, rate: float = 0.1
) -> Any:
    loss = build_loss(state.setup.config.loss, weights=None)
    return take_step(state, loss, images, labels, rate=rate)


def weights(state: TrainingState) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in state.network.parameters()])


def run_out_of_memory_above(
    limit: int, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> list[int]:
    """Let forward passes of more than `limit` samples fail; return the sizes that were tried."""
    compute, sizes = step._compute_loss, []

    def limited(state: Any, loss: Any, images: torch.Tensor, labels: torch.Tensor) -> Any:
        sizes.append(len(images))
        if len(images) > limit:
            raise error
        return compute(state, loss, images, labels)

    monkeypatch.setattr(step, "_compute_loss", limited)
    return sizes


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_what_goes_through_at_once(
    tiny_dataset: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    state, images, labels = begin(tiny_dataset, tiny_bundle)
    sizes = run_out_of_memory_above(1, monkeypatch, error)
    done = take(state, images, labels)
    assert sizes == [4, 2, 1, 1, 1, 1]
    assert [note.level for note in done.notes] == ["warning", "warning"]
    assert "parts of 1 sample" in done.notes[-1].text
    assert state.iteration == 1
    take(state, images, labels)
    assert sizes[6:] == [1, 1, 1, 1]  # it stays so
    assert state.snapshot()["chunk"] == 1


def test_a_single_sample_that_does_not_fit_is_an_error(
    tiny_dataset: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, images, labels = begin(tiny_dataset, tiny_bundle)
    run_out_of_memory_above(0, monkeypatch, MemoryError())
    before = weights(state)
    with pytest.raises(InputError, match="not enough memory for a single sample"):
        take(state, images, labels)
    assert torch.equal(weights(state), before)


def test_other_errors_are_not_taken_for_it(
    tiny_dataset: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, images, labels = begin(tiny_dataset, tiny_bundle)
    run_out_of_memory_above(0, monkeypatch, RuntimeError("sizes do not match"))
    with pytest.raises(RuntimeError, match="sizes do not match"):
        take(state, images, labels)
    assert not is_out_of_memory(ValueError("x"))


def test_chunks_add_up_to_the_whole_batch(tiny_dataset: Path, tiny_bundle: Path) -> None:
    """With BatchNorm fixed and a loss that is a mean over samples of equal size."""
    found = []
    for chunk in (4, 1):
        config = CONFIG.model_copy(update={"strategy": "head", "loss": "focal"})
        state, images, labels = begin(tiny_dataset, tiny_bundle, config)
        state.chunk = chunk
        labels = labels.clamp(max=3)  # as many annotated pixels in each sample
        take(state, images, labels)
        found.append(weights(state))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_no_number_changes_nothing(tiny_dataset: Path, tiny_bundle: Path) -> None:
    state, images, labels = begin(tiny_dataset, tiny_bundle)
    before = weights(state)
    with pytest.raises(InputError, match="iteration 1 is not finite"):
        take(state, images * float("nan"), labels)
    assert torch.equal(weights(state), before)
    assert state.iteration == 0


def test_accumulation_makes_a_step_of_several_batches(
    tiny_dataset: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = CONFIG.model_copy(update={"accumulate": 3, "batch_size": 2})
    state, images, labels = begin(tiny_dataset, tiny_bundle, config)
    assert len(images) == 6
    sizes = run_out_of_memory_above(2, monkeypatch, MemoryError())
    take(state, images, labels)
    assert sizes == [2, 2, 2]
    assert state.iteration == 1


def test_clipping_bounds_the_step(tiny_dataset: Path, tiny_bundle: Path) -> None:
    moved = []
    for clip in (0.0, 1e-3):
        config = CONFIG.model_copy(update={"clip": clip, "weight_decay": 0.0, "momentum": 0.0})
        state, images, labels = begin(tiny_dataset, tiny_bundle, config)
        before = weights(state)
        take(state, images, labels, rate=1.0)
        moved.append(float((weights(state) - before).norm()))
    assert moved[0] > 0.01
    assert moved[1] == pytest.approx(1e-3, rel=0.02)


def test_an_auxiliary_head_adds_its_loss(tiny_dataset: Path, tiny_bundle: Path) -> None:
    values = []
    for aux in (0.0, 0.4):
        config = CONFIG.model_copy(update={"aux_weight": aux})
        state, images, labels = begin(tiny_dataset, tiny_bundle, config)
        values.append(take(state, images, labels).loss)
    assert values[1] > 1.2 * values[0]


def test_a_gradient_that_is_no_number_changes_nothing(
    tiny_dataset: Path, tiny_bundle: Path
) -> None:
    state, images, labels = begin(tiny_dataset, tiny_bundle)
    before = weights(state)
    last = list(state.network.parameters())[-1]
    last.register_hook(lambda gradient: gradient * float("nan"))  # type: ignore[no-untyped-call]
    with pytest.raises(InputError, match="the loss's gradient of iteration 1 is not finite"):
        take(state, images, labels)
    assert torch.equal(weights(state), before)
    assert state.iteration == 0
