from __future__ import annotations

import pytest
import torch

from napari_retseg.errors import UsageError
from napari_retseg.nets.device import choose_compute


def test_the_cpu_is_always_there() -> None:
    compute = choose_compute("cpu")
    assert compute.device.type == "cpu"
    assert compute.precision in ("fp32", "bf16")
    assert "threads" in compute.name


def test_precision_can_be_chosen() -> None:
    assert choose_compute("cpu", "fp32").precision == "fp32"
    assert choose_compute("cpu", "bf16").precision == "bf16"
    with pytest.raises(UsageError, match="fp16 does not work on the CPU"):
        choose_compute("cpu", "fp16")


def test_autocast_runs_in_the_precision() -> None:
    layer = torch.nn.Conv2d(1, 1, 3)
    with choose_compute("cpu", "bf16").autocast():
        assert layer(torch.zeros(1, 1, 8, 8)).dtype == torch.bfloat16
    with choose_compute("cpu", "fp32").autocast():
        assert layer(torch.zeros(1, 1, 8, 8)).dtype == torch.float32


def test_a_device_that_is_missing_is_named() -> None:
    missing = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(UsageError, match=f"no {missing} device"):
        choose_compute(missing)  # type: ignore[arg-type]
