"""Where a network runs and in which precision."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import torch

from napari_retseg.config import Device, Precision
from napari_retseg.errors import UsageError
from napari_retseg.nets.precision import choose_cpu_dtype

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Compute:
    """A device, and the precision of its matrix products."""

    device: torch.device
    dtype: torch.dtype

    @property
    def precision(self) -> str:
        """``fp32``, ``bf16`` or ``fp16``."""
        return next(name for name, dtype in _DTYPES.items() if dtype == self.dtype)

    @property
    def name(self) -> str:
        """The device in words, e.g. ``cpu (2 threads)``."""
        if self.device.type == "cuda":
            return f"cuda ({torch.cuda.get_device_name(self.device)})"
        if self.device.type == "cpu":
            return f"cpu ({torch.get_num_threads()} threads)"
        return self.device.type

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Context in which the network runs in this precision."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def place(self, network: torch.nn.Module) -> torch.nn.Module:
        """Move a network here: a 2D one in channels_last layout, a 3D one in the default layout.

        channels_last is faster on CPUs and tensor cores. In 3D instance normalisation copies it
        to the default layout and back: a training step of the networks of
        :mod:`napari_retseg.nets.volumetric` takes 1.1 to 1.4 times as long in channels_last_3d
        (CPU, bf16).
        """
        if any(p.ndim == 5 for p in network.parameters()):
            return network.to(device=self.device)
        return network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def arrange(self, images: torch.Tensor) -> torch.Tensor:
        """Lay images ``(n, channel, *spatial)`` out in memory as :meth:`place` does networks."""
        if images.ndim == 5:
            return images.contiguous()
        return images.contiguous(memory_format=torch.channels_last)


def choose_compute(device: Device = "auto", precision: Precision = "auto") -> Compute:
    """Choose the best device there is, and the fastest precision that is safe on it.

    On CPUs bf16 is used only where the processor multiplies it in hardware and convolutions are
    measured to be no slower so (:mod:`napari_retseg.nets.precision`).

    Raises
    ------
    UsageError
        Where the device that was asked for is not on this machine, or the precision does
        not go with it.
    """
    chosen = _choose_device(device)
    if precision == "fp16" and chosen.type == "cpu":
        raise UsageError("fp16 does not work on the CPU; use --precision bf16, fp32 or auto")
    if precision != "auto":
        return Compute(chosen, _DTYPES[precision])
    if chosen.type == "cpu":
        return Compute(chosen, choose_cpu_dtype())
    if chosen.type == "cuda":
        return Compute(chosen, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16)
    return Compute(chosen, torch.float32)


def _choose_device(device: Device) -> torch.device:
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return torch.device(next(name for name, there in available.items() if there))
    if not available[device]:
        raise UsageError(f"no {device} device on this computer; use --device auto or cpu")
    return torch.device(device)


def use_threads(number: int) -> None:
    """Let torch take so many CPU threads in this process."""
    torch.set_num_threads(number)
