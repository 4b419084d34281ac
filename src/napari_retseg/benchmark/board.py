"""What a scoreboard scores: sets of scans with labels, of devices' own numbers, and simulated."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from napari_retseg.config import Frozen
from napari_retseg.records import check_record, parse_yaml, read_yaml
from napari_retseg.simulate import Sampling, SimulatorConfig

_NAME = r"^[\w .,()+-]+$"
_Name = Annotated[str, Field(min_length=1, max_length=60, pattern=_NAME)]


class SecondGrader(Frozen):
    """Labels of the same B-scans by a second grader, who is scored as a model is."""

    labels: str = Field(description="folder of label files with the names of the first ones")
    curves: str | None = Field(
        None, description="NPZ with `names` and `grader2`, (bscan, boundary, width)"
    )


class LabelledSet(Frozen):
    """Scans with labels; classes that the model or the data do not know are not scored."""

    kind: Literal["labels"]
    name: _Name
    data: str = Field(description="a dataset, below the folder of all data")
    groups: tuple[str, ...] = Field((), description="patients; all without them")
    half: Literal["first", "second"] | None = Field(
        None, description="every other patient in the order of names; all without it"
    )
    classes: tuple[str, ...] = Field(
        (), description="score these, into which the data's are merged; the data's own without it"
    )
    second: SecondGrader | None = None
    axial_um: Annotated[float, Field(gt=0)] | None = Field(
        None, description="pixel size in depth, where the files do not say it"
    )


class DeviceSet(Frozen):
    """Exports with the ETDRS grid that the device measured itself."""

    kind: Literal["device"]
    name: _Name
    data: str = Field(description="a folder of exports, below the folder of all data")


class SimulatedSet(Frozen):
    """Simulated eyes, one B-scan each."""

    kind: Literal["simulated"]
    name: _Name
    eyes: Annotated[int, Field(ge=1)] = 40
    seed: int = Field(description="not one of those that models are trained on")
    sampling: Sampling | None = None
    ranges: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> SimulatedSet:
        self.make_config()
        return self

    def make_config(self) -> SimulatorConfig:
        """Make the simulator's ranges: those of training, with what is said here."""
        config = SimulatorConfig(label_set="retina and lesions").with_ranges(**self.ranges)
        if self.sampling is None:
            return config
        return config.model_copy(update={"samplings": (self.sampling,)})


AnySet = Annotated[LabelledSet | DeviceSet | SimulatedSet, Field(discriminator="kind")]


class Board(Frozen):
    """The sets of a scoreboard, in the order of its table."""

    sets: Annotated[tuple[AnySet, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Board:
        stems = [make_stem(one.name) for one in self.sets]
        twice = {stem for stem in stems if stems.count(stem) > 1}
        if twice:
            raise ValueError(f"sets need different names, not {', '.join(sorted(twice))} twice")
        return self


def make_stem(name: str) -> str:
    """Make the name of a file of scores, without its ending: whatever a name says, it stays one."""
    return re.sub(r"[^\w.]+", "-", name).strip("-.").lower() or "unnamed"


def read_board(path: Path | None = None) -> Board:
    """Read a scoreboard's sets from a YAML file; without one, those that come with the program.

    Raises
    ------
    InputError
        Where the file cannot be read or makes no sense.
    """
    if path is not None:
        return check_record(read_yaml(path), Board, path)
    text = files(__package__).joinpath("standard.yaml").read_bytes()
    return check_record(parse_yaml(text, "standard.yaml"), Board, "standard.yaml")
