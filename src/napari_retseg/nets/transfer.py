"""Start a network from another model's weights: classes by name, channels by surgery."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import nn

from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig
from napari_retseg.errors import ModelError
from napari_retseg.models.outputs import list_outputs, match_classes
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import Model
from napari_retseg.nets.stages import find_output_layers, find_parts

#: Below this share of the encoder's tensors, weights count as those of another network.
_LEAST_SHARE = 0.5
#: Names of new tensors that a report lists before it only counts them.
_LISTED = 6


@dataclass(frozen=True, slots=True)
class TransferReport:
    """What came over from another model's weights.

    Attributes
    ----------
    copied
        Names of the tensors that are bit for bit those of the other model.
    adapted
        Tensors that came over in part or changed, each in words that begin with its name.
    new
        Names of the tensors that are new.
    """

    copied: tuple[str, ...]
    adapted: tuple[str, ...]
    new: tuple[str, ...]

    def describe(self) -> str:
        """Say in a few lines what came over: numbers for each part, then what is not the same."""
        parts = Counter(name.split(".")[0] for name in self.copied)
        total = len(self.copied) + len(self.adapted) + len(self.new)
        shares = ", ".join(f"{part} {count}" for part, count in parts.items()) or "none"
        lines = [
            (
                f"{len(self.copied)} of {total} tensors were copied from the starting model "
                f"({shares})"
            )
        ]
        lines += [f"adapted: {words}" for words in self.adapted]
        if self.new:
            rest = len(self.new) - _LISTED
            more = f" and {rest} more" if rest > 0 else ""
            lines.append(f"new: {', '.join(self.new[:_LISTED])}{more}")
        return "\n".join(lines)


def transfer(
    start: Model, *, network: NetworkConfig, classes: LabelSet, seed: int
) -> tuple[nn.Module, TransferReport]:
    """Build a network with new weights, and take over what fits from another model.

    A module comes over whole, where its tensors have the same names and shapes. Of the output
    layer (and the auxiliary head's) each class, or each part of one, takes the row of the class of
    the same name; background takes that of background. It is new where the head is another one,
    because it reads other features then. Where the number of
    input planes differs (channels, or the neighbouring B-scans of a 2.5D network), the first layer
    is adapted so that equal planes give the same features as before (see :func:`adapt_planes`).

    Parameters
    ----------
    start
        The model to start from; it stays as it is.
    network
        The network to build, with `n_classes` as many as `classes` has; for its `parts` see
        :func:`napari_retseg.models.outputs.plan_parts`.
    seed
        Of the new weights.

    Raises
    ------
    ModelError
        Where less than half of the encoder's tensors come over.
    """
    if network.n_classes != len(classes):
        raise ModelError(
            f"the network has {network.n_classes} outputs, but there are {len(classes)} classes "
            f"({', '.join(classes.names)})"
        )
    built = build_seeded(network, seed)
    surgeon = _Surgeon(start, built=built, network=network, classes=classes)
    report = surgeon.operate()
    _check_encoder(start, network=network, built=built, report=report)
    return built, report


class _Surgeon:
    """Copies tensors from a model into a new network, and keeps the record."""

    def __init__(
        self, start: Model, *, built: nn.Module, network: NetworkConfig, classes: LabelSet
    ) -> None:
        self.old = start.network.state_dict()
        self.new = built.state_dict()
        self.old_config = start.info.network
        self.new_config = network
        before = list_outputs(start.info.network, start.info.classes)
        after = list_outputs(network, classes)
        self.sources = [
            parts[0] if len(parts) == 1 else None for parts in match_classes(before, after)
        ]
        self.old_names = before.names
        self.output_names = after.names
        self.outputs = _match_outputs(start, built=built, network=network)
        self.copied: list[str] = []
        self.adapted: list[str] = []
        self.fresh: list[str] = []

    @torch.no_grad()
    def operate(self) -> TransferReport:
        """Go through the new network module by module."""
        modules: dict[str, list[str]] = {}
        for name in self.new:
            modules.setdefault(name.rpartition(".")[0], []).append(name)
        for module, names in modules.items():
            if module in self.outputs:
                self._take_rows(names, source=self.outputs[module])
            else:
                self._take_module(names)
        return TransferReport(tuple(self.copied), tuple(self.adapted), tuple(self.fresh))

    def _take_module(self, names: list[str]) -> None:
        """Copy a module's tensors, all or none; an input layer's planes are adapted."""
        planes = [name for name in names if self._differs_in_planes(name)]
        rest = [name for name in names if name not in planes]
        if not all(n in self.old and self.old[n].shape == self.new[n].shape for n in rest):
            self.fresh += names
            return
        for name in rest:
            self.new[name].copy_(self.old[name])
        self.copied += rest
        before, after = self.old_config.in_channels, self.new_config.in_channels
        for name in planes:
            self.new[name].copy_(adapt_planes(self.old[name], after))
            self.adapted.append(f"{name}: from {before} to {after} input channels")

    def _differs_in_planes(self, name: str) -> bool:
        old, new = self.old.get(name), self.new[name]
        before, after = self.old_config.in_channels, self.new_config.in_channels
        if old is None or before == after or old.ndim != new.ndim or new.ndim < 4:
            return False
        same = old.shape[0] == new.shape[0] and old.shape[2:] == new.shape[2:]
        return same and (old.shape[1], new.shape[1]) == (before, after)

    def _take_rows(self, names: list[str], *, source: str | None) -> None:
        """Copy an output layer's rows by class; `source` is the layer of the old network."""
        pairs = {name: f"{source}.{name.rpartition('.')[2]}" for name in names}
        fits = source is not None and all(
            old in self.old and self.old[old].shape[1:] == self.new[name].shape[1:]
            for name, old in pairs.items()
        )
        if not fits:
            self.fresh += names
            return
        same = self.old_names[1:] == self.output_names[1:]
        for name, old in pairs.items():
            for row, before in enumerate(self.sources):
                if before is not None:
                    self.new[name][row] = self.old[old][before]
            if same and name == old:
                self.copied.append(name)
            else:
                self.adapted.append(f"{name}: {self._describe_rows()}")

    def _describe_rows(self) -> str:
        names = list(zip(self.output_names, self.sources, strict=True))
        words = "rows of " + ", ".join(name for name, before in names if before is not None)
        unmatched = ", ".join(name for name, before in names if before is None)
        return f"{words}; new rows for {unmatched}" if unmatched else words


def adapt_planes(weight: torch.Tensor, n_planes: int) -> torch.Tensor:
    """Change the number of input planes of a convolution's weight.

    Parameters
    ----------
    weight
        ``(out, planes, *kernel)``.

    Returns
    -------
    Tensor
        ``(out, n_planes, *kernel)``. From 1 to k planes: copied, divided by k. From k to 1:
        summed, and likewise from k * m to m those that stand in the same place of each m (the
        channels of neighbouring B-scans). Else repeated in turn, and scaled by old over new
        number.
    """
    before = weight.shape[1]
    if before % n_planes == 0:
        return weight.reshape(len(weight), -1, n_planes, *weight.shape[2:]).sum(dim=1)
    turns = torch.arange(n_planes, device=weight.device) % before
    return weight[:, turns] * before / n_planes


def _match_outputs(
    start: Model, *, built: nn.Module, network: NetworkConfig
) -> dict[str, str | None]:
    """Find each output layer of the new network, and that of the old one which it matches."""
    old = list(find_output_layers(start.network, start.info.network))
    new = list(find_output_layers(built, network))
    same_head = start.info.network.head == network.head
    matches: dict[str, str | None] = {new[0]: old[0] if same_head else None}
    for name in new[1:]:
        matches[name] = old[1] if len(old) > 1 else None
    return matches


def _check_encoder(
    start: Model, *, network: NetworkConfig, built: nn.Module, report: TransferReport
) -> None:
    """Raise a ModelError where most of the encoder is new."""
    roots = {id(module) for module in find_parts(built, network).encoder}
    prefixes = [f"{name}." for name, module in built.named_modules() if id(module) in roots]
    fresh = sum(name.startswith(tuple(prefixes)) for name in report.new)
    total = sum(name.startswith(tuple(prefixes)) for name in built.state_dict())
    if total - fresh < _LEAST_SHARE * total:
        raise ModelError(
            f"{start.info.name}: weights of another network ({_describe(start.info.network)}) "
            f"than {_describe(network)}: {total - fresh} of {total} encoder tensors fit; remove "
            "--arch and --encoder, or use --strategy scratch"
        )


def _describe(network: NetworkConfig) -> str:
    if network.dims == 3:
        return network.arch
    return f"{network.arch} with encoder {network.encoder}"
