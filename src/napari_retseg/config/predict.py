"""How a scan is predicted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_retseg.config.frozen import Frozen

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


class PredictConfig(Frozen):
    """How a scan is predicted."""

    device: Device = "auto"
    precision: Precision = "auto"
    batch_size: Annotated[int, Field(ge=0, le=4096)] = Field(
        0, description="B-scans at once; 0: one on a CPU, eight on a GPU"
    )
    tta: bool = Field(default=False, description="average over the mirrored B-scan, too")
    repair: bool = Field(
        default=False, description="the most probable labels that keep the order of the layers"
    )
    uncertainty: bool = Field(default=False, description="also the entropy of each pixel")
    overlap: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="of the windows that a 3D network slides over a volume"
    )
    axis: Annotated[int, Field(ge=0, le=2)] | None = Field(
        None, description="along which a volume that is not OCT is sliced; None: as trained"
    )
