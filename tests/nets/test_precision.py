"""The precision on a CPU: chosen by what is faster, and the same in all processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from napari_retseg.nets import precision
from napari_retseg.nets.device import choose_compute


@pytest.fixture(autouse=True)
def another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what was chosen, as a new process does; nothing is kept yet."""
    monkeypatch.setenv("NAPARI_RETSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: True)
    precision.choose_cpu_dtype.cache_clear()
    yield
    precision.choose_cpu_dtype.cache_clear()


def measure(monkeypatch: pytest.MonkeyPatch, bf16_seconds: float) -> None:
    seconds = {torch.bfloat16: bf16_seconds, torch.float32: 1.0}
    monkeypatch.setattr(precision, "_time_convolution", seconds.__getitem__)


@pytest.mark.parametrize(
    ("bf16_seconds", "expected"), [(0.4, "bf16"), (1.0, "bf16"), (1.1, "bf16"), (1.5, "fp32")]
)
def test_bf16_is_for_processors_that_are_not_slower_with_it(
    monkeypatch: pytest.MonkeyPatch, bf16_seconds: float, expected: str
) -> None:
    measure(monkeypatch, bf16_seconds)
    assert choose_compute("cpu").precision == expected


def test_without_bf16_nothing_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: False)
    monkeypatch.delattr(precision, "_time_convolution")
    assert choose_compute("cpu").precision == "fp32"


def test_the_next_process_chooses_the_same_without_measuring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measure(monkeypatch, 0.4)
    assert choose_compute("cpu").precision == "bf16"
    precision.choose_cpu_dtype.cache_clear()
    measure(monkeypatch, 2.0)
    assert choose_compute("cpu").precision == "bf16"


def test_a_damaged_note_is_measured_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measure(monkeypatch, 0.4)
    choose_compute("cpu")
    (kept,) = (tmp_path / "cache").glob("*.txt")
    kept.write_text("half")
    precision.choose_cpu_dtype.cache_clear()
    assert choose_compute("cpu").precision == "bf16"
    assert kept.read_text() == "bf16\n"


def test_where_nothing_can_be_kept_it_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    measure(monkeypatch, 0.4)
    assert choose_compute("cpu").precision == "bf16"


def test_no_function_of_newer_torch_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the processor's own answer
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)  # since torch 2.11
    assert precision._cpu_has_bf16() in (False, True)
    assert len(precision._name_machine()) == 16


def test_a_convolution_is_timed_in_either_precision() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        assert 0 < precision._time_convolution(dtype) < 60
