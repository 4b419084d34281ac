"""What a whole training leaves alone, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from napari_retseg.classes import LabelSet
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.events import CancelToken, Message, StepDone
from napari_retseg.learn.checkpoint import load_checkpoint
from napari_retseg.learn.train import fine_tune
from napari_retseg.models.outputs import plan_parts
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.nets.transfer import transfer

CONFIG = TrainConfig(
    iterations=4, batch_size=2, device="cpu", precision="fp32", lr=0.05, weight_decay=0.1, ema=0.9
)
Weights = dict[str, torch.Tensor]


def train(
    dataset: Path, start: Path, output: Path, **options: object
) -> tuple[Weights, Weights, Weights]:
    """Return the weights before and after, and the state of the optimizer."""
    config = CONFIG.model_copy(update=options)
    list(fine_tune(load_dataset(dataset), config, output=output, start=start))
    before = load_model(start).network.state_dict()
    after = load_model(output / "model-last").network.state_dict()
    state = load_checkpoint(output / "checkpoints" / "last.pt")["optimizer"]["state"]
    return before, after, state


def moved(before: Weights, after: Weights) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize(
    ("strategy", "is_trained"),
    [
        ("decoder", lambda name: not name.startswith("encoder.")),
        ("head", lambda name: name.startswith("segmentation_head.")),
        ("encoder-stages:1", lambda name: name.split(".")[2] not in ("conv1", "bn1")),
    ],
)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_frozen_means_frozen(
    tiny_dataset: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    strategy: str,
    is_trained: Callable[[str], bool],
    optimizer: str,
) -> None:
    before, after, state = train(
        tiny_dataset, tiny_bundle, tmp_path / "run", strategy=strategy, optimizer=optimizer
    )
    expected = {name for name in before if is_trained(name)}
    changed = moved(before, after)
    assert changed <= expected  # BatchNorm statistics are among the names, too
    learnt = {n for n in expected if n.endswith((".weight", ".bias"))}
    assert learnt <= changed
    assert len(state) == len(learnt)


def test_the_last_three_layers_are_new_and_alone(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    before, after, _ = train(tiny_dataset, tiny_bundle, tmp_path / "run", strategy="last-three")
    changed = {name.rsplit(".", 1)[0] for name in moved(before, after)}
    assert changed == {
        "decoder.blocks.2.conv1.0",
        "decoder.blocks.2.conv1.1",
        "decoder.blocks.2.conv2.0",
        "decoder.blocks.2.conv2.1",
        "segmentation_head.0",
    }


def test_the_encoder_thaws_from_its_end(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    def trained(iterations: int) -> set[str]:
        folder = tmp_path / str(iterations)
        before, after, _ = train(
            tiny_dataset, tiny_bundle, folder, unfreeze=2, iterations=iterations
        )
        return {n for n in moved(before, after) if n.startswith("encoder.")}

    assert not trained(2)
    first = trained(4)
    assert first
    assert all("layer2" in name for name in first)
    assert any("layer1" in name for name in trained(6))


def test_the_pull_holds_weights_near_the_start(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """A stopped run keeps the weights that it pulls towards."""

    def distance(folder: str, strength: float) -> float:
        before, after, _ = train(
            tiny_dataset,
            tiny_bundle,
            tmp_path / folder,
            l2_sp=strength,
            optimizer="sgd",
            schedule="constant",
            weight_decay=0.0,
            iterations=10,
            ema=0.0,
        )
        weights = [name for name in before if name.endswith("weight")]
        return math.sqrt(sum(float((after[n] - before[n]).square().sum()) for n in weights))

    assert distance("pulled", 5.0) < 0.7 * distance("free", 0.0)


def test_a_run_with_a_pull_resumes_exactly(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    from napari_retseg.events import CancelToken, StepDone

    config = CONFIG.model_copy(update={"l2_sp": 1.0, "iterations": 6})
    dataset = load_dataset(tiny_dataset)
    list(fine_tune(dataset, config, output=tmp_path / "whole", start=tiny_bundle))
    cancel = CancelToken()
    for event in fine_tune(dataset, config, cancel, output=tmp_path / "cut", start=tiny_bundle):
        if isinstance(event, StepDone) and event.iteration == 3:
            cancel.cancel()
    list(fine_tune(dataset, config, output=tmp_path / "cut", resume=True))
    one, other = (
        load_model(tmp_path / run / "model-last").network.state_dict() for run in ("whole", "cut")
    )
    assert not moved(one, other)


def test_a_share_of_the_starting_weights_is_kept(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    before, trained, _ = train(tiny_dataset, tiny_bundle, tmp_path / "trained", keep_start=0.0)
    _, kept, _ = train(tiny_dataset, tiny_bundle, tmp_path / "kept", keep_start=0.4)
    assert (
        "initial-weight fraction (WiSE-FT) 0.4"
        in (tmp_path / "kept/model/MODEL_CARD.md").read_text()
    )
    for name, weights in kept.items():
        if weights.is_floating_point():
            expected = 0.4 * before[name] + 0.6 * trained[name]
            assert torch.allclose(weights, expected, atol=1e-6), name


def test_a_share_is_kept_where_a_class_of_the_data_is_several_of_the_start(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """The data know *fluid*, the start IRF and SRF: that is no other network."""
    info = load_model(tiny_bundle).info
    network = info.network.model_copy(update={"n_classes": 5})
    classes = LabelSet.from_names(["upper", "lower", "IRF", "SRF"])
    finer = info.model_copy(update={"network": network, "classes": classes})
    save_model(tmp_path / "finer", build_seeded(network, 3), finer)
    start = load_model(tmp_path / "finer")
    data = load_dataset(tiny_dataset)
    parts = plan_parts(start.info, data.labels)
    added_up = info.network.model_copy(update={"parts": parts})
    before = transfer(start, network=added_up, classes=data.labels, seed=0)[0].state_dict()
    found = []
    for share in (0.0, 0.4):
        config = CONFIG.model_copy(update={"keep_start": share})
        output = tmp_path / f"{share}"
        events = list(fine_tune(data, config, output=output, start=tmp_path / "finer"))
        assert not any("not used" in e.text for e in events if isinstance(e, Message))
        found.append(load_model(output / "model-last").network.state_dict())
    trained, kept = found
    for name, weights in kept.items():
        if weights.is_floating_point():
            expected = 0.4 * before[name] + 0.6 * trained[name]
            assert torch.allclose(weights, expected, atol=1e-6), name


def test_a_share_of_the_start_is_kept_after_a_stop_too(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    _, straight, _ = train(tiny_dataset, tiny_bundle, tmp_path / "straight", keep_start=0.4)
    data, config = load_dataset(tiny_dataset), CONFIG.model_copy(update={"keep_start": 0.4})
    cancel, output = CancelToken(), tmp_path / "stopped"
    for event in fine_tune(data, config, cancel, output=output, start=tiny_bundle):
        if isinstance(event, StepDone) and event.iteration == 2:
            cancel.cancel()
    list(fine_tune(data, config, output=output, resume=True))
    assert not moved(straight, load_model(output / "model-last").network.state_dict())


@pytest.mark.parametrize(
    "other", [{"head": "fcn"}, {"normalise": "z-score"}, {"strategy": "last-three"}]
)
def test_nothing_of_the_start_is_kept_where_it_is_another_network(
    other: dict[str, str], tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    data = load_dataset(tiny_dataset)
    found = []
    for share in (0.0, 0.4):
        config = CONFIG.model_copy(update={"keep_start": share, **other})
        output = tmp_path / f"{share}"
        events = list(fine_tune(data, config, output=output, start=tiny_bundle))
        texts = [event.text for event in events if isinstance(event, Message)]
        assert any(
            "the initial-weight fraction (WiSE-FT) is not used" in text for text in texts
        ) == (share > 0)
        found.append(load_model(output / "model-last").network.state_dict())
    assert not moved(*found)
