"""JSON and YAML of strangers: a right value or one clear line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from napari_retseg.errors import InputError, NotThereError
from napari_retseg.records import (
    DEEPEST,
    LARGEST_YAML,
    check_record,
    parse_json,
    parse_yaml,
    read_json,
    read_record,
    read_yaml,
)


class Point(BaseModel):
    x: int
    y: float = 0.0


BAD_JSON = {
    "deep lists": "[" * 100_000 + "]" * 100_000,
    "deeper than allowed": "[" * (DEEPEST + 2) + "]" * (DEEPEST + 2),
    "deep objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a huge integer": "1" * 5000,
    "an integer of 20 digits": "1" * 20,
    "an integer of more than 64 bits": "9" * 19,
    "NaN": "[NaN]",
    "infinite": '{"a": -Infinity}',
    "infinite by its exponent": "1e999",
    "half a character": '["\\ud800"]',
    "half a character in a name": '{"\\udc00": 1}',
    "NUL": '["a\\u0000b"]',
    "cut": '{"a": [1, ',
    "nothing": "",
}


@pytest.mark.parametrize("text", BAD_JSON.values(), ids=BAD_JSON)
def test_json_beyond_the_limits_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^some\.json: cannot be read as JSON \(.+\)") as raised:
        parse_json(text, "some.json")
    assert "\n" not in str(raised.value)


BAD_YAML = {
    "aliases that unfold": "a: &a [x, x]\nb: [*a, *a]\n",
    "deep": "[" * 5000 + "]" * 5000,
    "deep, in blocks": "\n".join(" " * i + "a:" for i in range(200)),
    "objects": "!!python/object/apply:os.system [ls]",
    "a date": "when: 2020-01-01",
    "no date": "when: 2020-13-45",
    "a set": "!!set {a, b}",
    "bytes": "!!binary aGVsbG8=",
    "NaN": "a: .nan",
    "infinite": "a: .inf",
    "a huge integer": "a: " + "1" * 4000,
    "a huge octal": "a: 0" + "7" * 4000,
    "twice": "a: 1\na: 2\n",
    "a mapping as a name": "{{a: 1}: 2}",
    "a tab": "a:\n\t- b",
    "cut": "a: [1, 2",
}


@pytest.mark.parametrize("text", BAD_YAML.values(), ids=BAD_YAML)
def test_yaml_beyond_the_limits_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^some\.yaml: cannot be read as YAML \(.+\)") as raised:
        parse_yaml(text, "some.yaml")
    assert "\n" not in str(raised.value)


def test_long_yaml_is_refused_unread() -> None:
    with pytest.raises(InputError, match="too large"):
        parse_yaml("a" * (LARGEST_YAML + 1), "some.yaml")


def test_plain_values_come_back() -> None:
    values = {"a": [1, -2.5, "µm", None, True], "b": {"c": 2**62}}
    assert (
        parse_json('{"a": [1, -2.5, "µm", null, true], "b": {"c": 4611686018427387904}}', "x")
        == values
    )
    assert parse_yaml("a: [1, -2.5, µm, null, true]\nb: {c: 4611686018427387904}", "x") == values
    assert parse_json(b"\xef\xbb\xbf[1]", "x") == [1]


@pytest.mark.skipif(os.name != "posix", reason="Windows has neither pipes nor devices as files")
@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_only_regular_files_are_opened(tmp_path: Path, read: object) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        with pytest.raises(InputError, match="not a regular file"):
            read(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)  # type: ignore[operator]
    with pytest.raises(NotThereError, match="file or folder not found"):
        read(tmp_path / "none")  # type: ignore[operator]


def test_a_file_beyond_its_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "some.json").write_text('"' + "a" * 100 + '"')
    with pytest.raises(InputError, match=r"limit 50 bytes"):
        read_json(tmp_path / "some.json", limit=50)


def test_a_record_names_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "point.json"
    path.write_text('{"x": 3, "y": 1}')
    assert read_record(path, Point) == Point(x=3, y=1)
    path.write_text('{"x": [], "y": 1}')
    with pytest.raises(InputError, match=r"point\.json: x: Input should be a valid integer"):
        read_record(path, Point)
    for text in ('"a word"', "[1, 2]"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"point\.json: expected names with values$"):
            read_record(path, Point)
    assert check_record({"a": 1}, dict[str, int], "it") == {"a": 1}
