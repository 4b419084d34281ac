"""Options that several commands share, and options made from a configuration model."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from napari_retseg.config import Device, Precision
from napari_retseg.errors import InputError, UsageError
from napari_retseg.records import parse_yaml, read_yaml

if TYPE_CHECKING:
    from napari_retseg.measures import Centre

Command = TypeVar("Command", bound=Callable[..., Any])

DeviceOption = Annotated[Device, typer.Option(help="Device to compute on.")]
PrecisionOption = Annotated[Precision, typer.Option(help="Floating-point precision.")]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Run on this dask scheduler (tcp://host:port), not on this computer.",
    ),
]
WorkersOption = Annotated[
    str,
    typer.Option(
        metavar="<int|auto>",
        help="Number of scans to work on side by side, each in its own process. auto: as many as "
        "cores and free memory allow; with a model, one for each GPU.",
    ),
]
ClassNamesOption = Annotated[
    str | None,
    typer.Option("--model", help="Name or folder of a model, for the names of the classes."),
]
CentreOption = Annotated[
    str,
    typer.Option(
        metavar="CENTRE",
        help="Centre of the ETDRS grid. fovea: found on the inner retina; file: that of the file's "
        "own grid; or a B-scan and an A-scan from 0, as in 24,255.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to stdout. Progress goes to stderr.")
]

_MOST_WORKERS = 256
_PLAIN = (int, float, str, bool)


def options_of(model: type[BaseModel]) -> Callable[[Command], Command]:
    """Give a command one option for each field of `model`, in place of its ``**`` parameter.

    The option has the field's name, type, default and description. One that is not given
    arrives as None (see :func:`given_values`).
    """

    def decorate(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        made = [_make_option(name, field) for name, field in model.model_fields.items()]
        command.__dict__["__signature__"] = signature.replace(parameters=[*own, *made])
        return command

    return decorate


def given_values(model: type[BaseModel], options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that the user gave a value; texts of other types are read as YAML."""
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        if _option_type(model.model_fields[name]) is str and isinstance(value, str):
            given[name] = value if model.model_fields[name].annotation is str else _parse(value)
    return given


def read_config(path: Path) -> dict[str, Any]:
    """Read a YAML file of options.

    Raises
    ------
    InputError
        Where the file is not there, or is not a YAML mapping.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a list of options; write one 'name: value' on each line")
    return {str(name).replace("-", "_"): value for name, value in values.items()}


def parse_centre(text: str) -> Centre:
    """Return where the centre of the ETDRS grid is wanted.

    Raises
    ------
    UsageError
        Where `text` is no centre.
    """
    if text == "fovea":
        return "fovea"
    if text == "file":
        return "file"
    try:
        bscan, ascan = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--centre {text!r}: use fovea, file, or a B-scan and an A-scan, as in 24,255"
        ) from error
    return bscan, ascan


def _make_option(name: str, field: FieldInfo) -> inspect.Parameter:
    default = "" if field.default in (None, "") else f"  [default: {field.default}]"
    text = (field.description or name.replace("_", " ")) + default
    kind = _option_type(field)
    flag = f"--{name.replace('_', '-')}"
    names = f"{flag}/--no-{flag[2:]}" if kind is bool else flag
    option = typer.Option(names, help=text, show_default=False)
    optional: Any = kind | None
    annotation: Any = Annotated[optional, option]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _option_type(field: FieldInfo) -> Any:
    """Return the type that the parser checks; what it does not know is a text."""
    if field.annotation in _PLAIN or get_origin(field.annotation) is Literal:
        return field.annotation
    return str


def _parse(text: str) -> Any:
    try:
        return parse_yaml(text, "option")
    except InputError:
        return text


def parse_workers(
    text: str, n_jobs: int, *, scheduler: str | None = None, device: str = "cpu"
) -> int:
    """Read a number of workers.

    Parameters
    ----------
    n_jobs
        What they share.
    device
        That they compute on.

    Raises
    ------
    UsageError
        Where it is none, or a scheduler is given beside it.
    """
    from napari_retseg.engine.machine import choose_workers

    if text == "auto":
        number = choose_workers(n_jobs, on_gpu=device in ("auto", "cuda"))
    else:
        number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= _MOST_WORKERS:
        raise UsageError(f"--workers {text!r}: give a number from 1 to {_MOST_WORKERS}, or auto")
    if text != "1" and scheduler is not None:
        raise UsageError("give --workers or --scheduler, not both")
    return number
