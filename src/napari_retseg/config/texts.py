"""Options that are written as text: sizes, input grids, strategies, splits, losses, changes.

Each is read by one function here, which raises ``ValueError`` with a line for the user, so that
a configuration is checked before any work and without torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from napari_retseg.errors import UsageError

#: Digits of a size and of other whole numbers, pixels or folds: a scan has no more.
_SIZE = re.compile(r"[0-9]{1,5}(x[0-9]{1,5}){1,2}")
_WHOLE = re.compile(r"[0-9]{1,5}")
_TERM = re.compile(r"^(?:([0-9.]+)\s*\*\s*)?([a-z]+)(?:\(([^()]*)\))?$")
_FRACTIONS = re.compile(r"[0-9]{1,3}(/[0-9]{1,3}){1,2}")
_FOLD = re.compile(r"fold:([0-9]{1,5})/([0-9]{1,5})")
#: Weights and arguments of losses, and weights of classes, are at most this.
LARGEST_WEIGHT = 1e6

#: Losses by name, with their own arguments and defaults.
LOSSES: dict[str, dict[str, float]] = {
    "ce": {},
    "wce": {},
    "dice": {},
    "wdice": {},
    "gdice": {},
    "focal": {"gamma": 2.0},
    "tversky": {"alpha": 0.3, "beta": 0.7},
    "lovasz": {},
}
CLASS_WEIGHTS = ("none", "inverse", "sqrt", "rank")
STRATEGIES = ("all", "decoder", "last-three", "head", "scratch")


def parse_size(text: str) -> tuple[int, ...] | None:
    """Read ``DEPTHxWIDTH`` or ``ZxYxX``; None for anything else."""
    return tuple(int(n) for n in text.split("x")) if _SIZE.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Resize:
    """How a scan is resampled for the network (see :func:`parse_resize`)."""

    kind: Literal["auto", "none", "size", "every", "spacing"]
    size: tuple[int, ...] = ()
    every: int = 1
    spacing_um: tuple[float, ...] = ()


def parse_resize(text: str) -> Resize:
    """Read ``auto``, ``none``, a size, ``every:N`` (each N-th pixel) or ``spacing:AxB`` (um)."""
    if text == "auto":
        return Resize("auto")
    if text == "none":
        return Resize("none")
    size = parse_size(text)
    if size is not None and min(size) > 0:
        return Resize("size", size=size)
    kind, _, rest = text.partition(":")
    if kind == "every" and _is_whole(rest):
        return Resize("every", every=int(rest))
    if kind == "spacing":
        try:
            spacing = tuple(float(part) for part in rest.split("x"))
        except ValueError:
            spacing = ()
        if len(spacing) in (2, 3) and all(1e-6 < one < LARGEST_WEIGHT for one in spacing):
            return Resize("spacing", spacing_um=spacing)
    raise ValueError(
        "resize must be 'auto', 'none', DEPTHxWIDTH, 'every:2' or 'spacing:3.9x11.6' (µm), "
        f"not {text!r}"
    )


@dataclass(frozen=True, slots=True)
class Fit:
    """What is cropped or padded around the centre after resizing (see :func:`parse_fit`)."""

    size: tuple[int, ...] | None = None
    multiple: int | None = None


def parse_fit(text: str) -> Fit:
    """Read ``none`` (or ``auto``), a size (crop or pad to it) or ``multiple:N`` (trim to one)."""
    if text in ("none", "auto"):
        return Fit()
    size = parse_size(text)
    if size is not None and min(size) > 0:
        return Fit(size=size)
    kind, _, rest = text.partition(":")
    if kind == "multiple" and _is_whole(rest):
        return Fit(multiple=int(rest))
    raise ValueError(f"fit must be 'none', DEPTHxWIDTH or 'multiple:32', not {text!r}")


@dataclass(frozen=True, slots=True)
class Window:
    """Windows that slide over the input of a 2D network (see :func:`parse_window`)."""

    size: tuple[int, int]
    stride: int


def parse_window(text: str) -> Window | None:
    """Read ``none`` (or ``auto``), or a size with the stride: ``256x256/170``.

    Without a stride it is two thirds of the smaller side.
    """
    if text in ("none", "auto"):
        return None
    size_text, _, stride_text = text.partition("/")
    size = parse_size(size_text)
    if size is not None and len(size) == 2 and min(size) > 0:
        if not stride_text:
            return Window((size[0], size[1]), max(1, 2 * min(size) // 3))
        if _is_whole(stride_text) and int(stride_text) <= min(size):
            return Window((size[0], size[1]), int(stride_text))
    raise ValueError(
        "window must be 'none' or DEPTHxWIDTH/STRIDE as in '256x256/170', with a stride up to "
        f"the smaller side; not {text!r}"
    )


@dataclass(frozen=True, slots=True)
class Strategy:
    """What is trained; `frozen_stages` is the number of encoder stages that are not."""

    kind: Literal["all", "decoder", "last-three", "head", "scratch", "encoder-stages"]
    frozen_stages: int = 0

    @property
    def renews_output(self) -> bool:
        """Whether the output layer is a new one."""
        return self.kind in ("scratch", "last-three")

    def count_frozen(self, n_stages: int) -> int:
        """Count the encoder stages that are frozen, of as many as there are.

        Raises
        ------
        UsageError
            Where there are fewer than are to be frozen.
        """
        if self.frozen_stages > n_stages:
            raise UsageError(
                f"encoder-stages:{self.frozen_stages} freezes more stages than the encoder has "
                f"({n_stages})"
            )
        return n_stages if self.kind == "decoder" else self.frozen_stages


def parse_strategy(text: str) -> Strategy:
    """Read a name of :data:`STRATEGIES`, or ``encoder-stages:N``."""
    if text in STRATEGIES:
        return Strategy(text)  # type: ignore[arg-type]
    kind, _, rest = text.partition(":")
    if kind == "encoder-stages" and _is_whole(rest):
        return Strategy("encoder-stages", frozen_stages=int(rest))
    known = ", ".join(STRATEGIES)
    raise ValueError(f"strategy must be {known} or encoder-stages:N, not {text!r}")


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One summand of a loss: its weight, its name and its arguments."""

    weight: float
    name: str
    arguments: dict[str, float] = field(default_factory=dict)


def parse_loss(text: str) -> tuple[LossTerm, ...]:
    """Read a weighted sum, for instance ``0.5*ce + 0.5*dice`` or ``focal(gamma=3)``.

    Weights are 1 where they are left out; names and arguments are those of :data:`LOSSES`.
    """
    return tuple(_parse_term(part.strip()) for part in text.split("+"))


def _parse_term(text: str) -> LossTerm:
    match = _TERM.match(text)
    if match is None or match[2] not in LOSSES:
        raise ValueError(
            f"{text!r} is not a loss; write for example '0.5*ce + 0.5*dice' with any of "
            f"{', '.join(LOSSES)}"
        )
    weight = _number(match[1] or "1", text)
    if not 0 < weight <= LARGEST_WEIGHT:
        raise ValueError(f"the weight of {match[2]} must be above 0 and at most {LARGEST_WEIGHT:g}")
    arguments = dict(LOSSES[match[2]])
    for name, value in _parse_arguments(match[3] or "", text).items():
        if name not in arguments:
            known = ", ".join(arguments) or "none"
            raise ValueError(f"{match[2]} has no argument {name!r}; possible arguments: {known}")
        if not 0 <= value <= LARGEST_WEIGHT:
            raise ValueError(
                f"{name} of {match[2]} must be 0 or more, and at most {LARGEST_WEIGHT:g}, not "
                f"{value:g}"
            )
        arguments[name] = value
    if match[2] == "tversky" and not sum(arguments.values()):
        raise ValueError("alpha and beta of tversky must not both be 0")
    return LossTerm(weight, match[2], arguments)


def _parse_arguments(text: str, whole: str) -> dict[str, float]:
    """Read ``name=number, name=number``."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} in {whole!r}: write name=number")
        found[name.strip().replace("-", "_")] = _number(value.strip(), whole)
    return found


def _is_whole(text: str) -> bool:
    """Whether a text is a whole number above 0, and of no more digits than pixels have."""
    return _WHOLE.fullmatch(text) is not None and int(text) > 0


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} in {whole!r} is not a number") from None


def parse_class_weights(text: str) -> str | tuple[float, ...]:
    """Read a name of :data:`CLASS_WEIGHTS`, or one number for each class, background first."""
    if text in CLASS_WEIGHTS:
        return text
    try:
        given = tuple(float(part) for part in text.split(","))
    except ValueError:
        given = ()
    if len(given) > 1 and all(0 <= one <= LARGEST_WEIGHT for one in given) and max(given) > 0:
        return given
    raise ValueError(
        f"class weights must be {', '.join(CLASS_WEIGHTS)} or one number for each class, "
        f"background first, as in '0.2,1,1'; not {text!r}"
    )


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How a dataset is divided (see :func:`parse_split`).

    Attributes
    ----------
    fractions
        Shares of train, val and test; None where the pinned split or a fold is taken.
    fold, folds
        Part number `fold` (from 1) of `folds` is held out.
    """

    fractions: tuple[float, float, float] | None = None
    fold: int = 0
    folds: int = 0


def parse_split(text: str) -> SplitPlan:
    """Read ``pinned``, shares as ``80/20`` or ``70/15/15``, or ``fold:1/4``."""
    if text == "pinned":
        return SplitPlan()
    if _FRACTIONS.fullmatch(text):
        shares = [int(part) / 100 for part in text.split("/")] + [0.0]
        if abs(sum(shares) - 1) < 1e-9 and shares[0] > 0 and shares[1] > 0:
            return SplitPlan(fractions=(shares[0], shares[1], shares[2]))
        raise ValueError(f"the parts of {text!r} must add up to 100, and none may be 0")
    match = _FOLD.fullmatch(text)
    if match and 1 <= int(match[1]) <= int(match[2]) and int(match[2]) > 1:
        return SplitPlan(fold=int(match[1]), folds=int(match[2]))
    raise ValueError(
        f"split must be 'pinned', percentages as in '70/15/15', or 'fold:1/4', not {text!r}"
    )
