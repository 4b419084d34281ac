"""Networks whose answers can be worked out by hand."""

from __future__ import annotations

import torch

from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.models import ModelInfo
from napari_retseg.nets.bundle import Model


class Table(torch.nn.Module):
    """Looks up the logits of each grey value (rounded): ``rows[value] = logits``."""

    def __init__(self, rows: list[list[float]]) -> None:
        super().__init__()
        self.rows = torch.nn.Parameter(torch.tensor(rows))
        self.calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        index = images[:, 0].round().long().clamp(0, len(self.rows) - 1)
        return self.rows[index].movedim(-1, 1)


class Neighbour(torch.nn.Module):
    """Class 1 where the last input plane (the next B-scan) is above a half."""

    def __init__(self) -> None:
        super().__init__()
        self.level = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        last = images[:, -1:] - self.level
        return torch.cat([torch.zeros_like(last), last], dim=1)


def random_convolution(dims: int, *, n_classes: int = 3, size: int = 3) -> torch.nn.Module:
    """One convolution with weights that are not symmetric."""
    kind = torch.nn.Conv2d if dims == 2 else torch.nn.Conv3d
    convolution = kind(1, n_classes, size, padding=size // 2)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in convolution.parameters():
            parameter.normal_(generator=generator)
        if size > 1:  # edges decide, not how bright it is
            convolution.weight -= convolution.weight.flatten(1).mean(1)[
                (...,) + (None,) * (dims + 1)
            ]
            convolution.get_parameter("bias").zero_()
    return convolution


def make_model(
    network: torch.nn.Module,
    *,
    dims: int = 2,
    names: tuple[str, ...] = ("upper", "lower"),
    in_channels: int = 1,
    thresholds: dict[str, float] | None = None,
    preprocess: PreprocessConfig | None = None,
) -> Model:
    """Describe a network that takes grey values as they are."""
    info = ModelInfo(
        name="worked-out",
        network=NetworkConfig(
            arch="unet" if dims == 2 else "basicunet",
            in_channels=in_channels,
            n_classes=len(names) + 1,
        ),
        classes=LabelSet.from_names(list(names)),
        preprocess=preprocess or PreprocessConfig(normalise="none"),
        thresholds=thresholds or {},
    )
    return Model(info, network)
