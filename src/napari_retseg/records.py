"""The one reader of JSON and YAML: what a file says is checked before it is believed.

Every description, record and setting is read here, with limits on size, depth and the digits of
integers, and through a typed model. Values are finite; text holds no NUL and no half character.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from napari_retseg.errors import InputError
from napari_retseg.regular import LARGEST_TEXT, read_limited

#: Containers within containers.
DEEPEST = 40
#: Digits of an integer: those of 64 bits.
LONGEST_INTEGER = 19
#: YAML is written by hand; PyYAML reads about 100 kB a second.
LARGEST_YAML = 256 * 1024

#: What pydantic calls it where a list or a single value stands in the place of named ones.
_NO_NAMES = ("model_type", "dataclass_type", "dict_type", "model_attributes_type")

_Value = TypeVar("_Value")


def read_json(path: Path, *, limit: int = LARGEST_TEXT) -> Any:
    """Read a JSON file to plain values; :func:`read_record` also checks what they are.

    Raises
    ------
    NotThereError
        Where nothing lies at `path`.
    InputError
        Where it is not a regular file, is no JSON, or is beyond the limits.
    """
    return parse_json(read_limited(path, limit), path)


def parse_json(text: str | bytes, source: Path | str) -> Any:
    """Parse JSON within the limits; `source` is for the message.

    Raises
    ------
    InputError
        With the reason.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        values = json.loads(
            text, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_parse_float
        )
        check_plain(values)
    except (ValueError, RecursionError) as error:
        raise _unreadable(source, "JSON", error) from error
    return values


def parse_yaml(text: str | bytes, source: Path | str) -> Any:
    """Parse YAML within the limits, without aliases; `source` is for the message.

    Raises
    ------
    InputError
        With the reason.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Plain values only; an alias could unfold into gigabytes."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("aliases (*name) are not supported; write the value again")
            if self.depth > DEEPEST:
                raise ValueError(f"more than {DEEPEST} nested levels")
            self.depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
            if len(mapping) < len(node.value):
                raise ValueError("a name exists twice")
            return mapping

    if len(text) > LARGEST_YAML:
        raise InputError(f"{source}: too large (limit {LARGEST_YAML:,} bytes)")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        loader = Loader(text)
        try:
            values = loader.get_single_data()
        finally:
            loader.dispose()
        check_plain(values)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _unreadable(source, "YAML", error) from error
    return values


def read_yaml(path: Path) -> Any:
    """Read a YAML file to plain values; :func:`check_record` also checks what they are.

    Raises
    ------
    NotThereError
        Where nothing lies at `path`.
    InputError
        Where it is not a regular file, is no YAML, or is beyond the limits.
    """
    return parse_yaml(read_limited(path, LARGEST_YAML), path)


def read_record(path: Path, kind: type[_Value]) -> _Value:
    """Read a JSON file as a value of a type: a pydantic model, a dataclass, ``dict[str, int]``.

    Raises
    ------
    NotThereError
        Where nothing lies at `path`.
    InputError
        Where it cannot be read, or does not fit the type; the first place that does not is named.
    """
    return check_record(read_json(path), kind, path)


def check_record(values: Any, kind: type[_Value], source: Path | str) -> _Value:
    """Check plain values against a type; `source` is for the message.

    Raises
    ------
    InputError
        Naming the first place that does not fit.
    """
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise InputError(f"{source}: {first_problem(error)}") from error
    except RecursionError as error:
        raise InputError(f"{source}: too many nested levels") from error


def first_problem(error: ValidationError) -> str:
    """Say in one line which value is refused first, and why."""
    problem = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    reason = problem["msg"].removeprefix("Value error, ")
    if problem["type"] in _NO_NAMES:  # pydantic's own words name a class of ours
        reason = "expected names with values"
    return f"{where}: {reason}" if where else reason


def check_plain(values: Any) -> None:
    """Make sure that values are plain, finite and not too deep.

    Raises
    ------
    ValueError
        With the reason.
    """
    waiting: list[tuple[Any, int]] = [(values, 0)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} nested levels")
        if isinstance(value, dict):
            for key, inner in value.items():
                _check_scalar(key)
                waiting.append((inner, depth + 1))
        elif isinstance(value, list):
            waiting.extend((inner, depth + 1) for inner in value)
        else:
            _check_scalar(value)


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a text contains a NUL character")
        value.encode()  # half characters cannot be written again: UnicodeEncodeError
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if abs(value) >= 2**63:
            raise ValueError("an integer has too many digits")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
    else:
        raise TypeError(f"a {type(value).__name__} is not a plain value; put it in quotes")


def _parse_int(digits: str) -> int:
    if len(digits.lstrip("-")) > LONGEST_INTEGER:
        raise ValueError("an integer has too many digits")
    return int(digits)


def _parse_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is not a finite number")
    return value


def _unreadable(source: Path | str, kind: str, error: Exception) -> InputError:
    if isinstance(error, RecursionError):
        reason = "too many nested levels"
    elif isinstance(error, UnicodeError):
        reason = "not UTF-8 text"
    else:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(f"{source}: cannot be read as {kind} ({reason}); correct or replace it")
