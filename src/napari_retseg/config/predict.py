"""How a scan is predicted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_retseg.config.frozen import Frozen

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Runtime = Literal["torch", "onnx", "openvino"]
Decoding = Literal["auto", "surfaces", "plain"]


class PredictConfig(Frozen):
    """How a scan is predicted."""

    device: Device = "auto"
    precision: Precision = "auto"
    runtime: Runtime = Field(
        "torch",
        description="What computes the network. onnx, openvino: on the CPU without PyTorch, a "
        "model from 'models export --onnx'.",
    )
    batch_size: Annotated[int, Field(ge=0, le=4096)] = Field(
        0, description="Number of B-scans in a batch. 0: one on a CPU, eight on a GPU."
    )
    tta: bool = Field(
        default=False,
        description="Average with the prediction of the mirrored B-scan (test-time augmentation).",
    )
    decode: Decoding = Field(
        "auto",
        description="How probabilities become labels. surfaces: the most probable layers that are "
        "in order and smooth; plain: the most probable class of each pixel; auto: surfaces where "
        "the classes are layers without gaps.",
    )
    uncertainty: bool = Field(default=False, description="Also the entropy of each pixel.")
    overlap: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="Overlap of neighbouring windows of a 3D network, as a fraction."
    )
    axis: Annotated[int, Field(ge=0, le=2)] | None = Field(
        None, description="Axis along which a non-OCT volume is sliced. None: as in training."
    )
