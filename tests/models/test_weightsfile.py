"""What a weights file claims is compared with what it holds."""

from __future__ import annotations

import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from napari_retseg.errors import ModelError
from napari_retseg.models.weightsfile import copy_weights, find_not_finite, read_header


def write_raw(path: Path, header: Any, data: bytes = bytes(24), length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(**changed: Any) -> dict[str, Any]:
    return {"w": {"dtype": "F64", "shape": [3], "data_offsets": [0, 24], **changed}}


def test_what_is_right_is_read(tmp_path: Path) -> None:
    found = read_header(write_raw(tmp_path / "w", entry()))
    assert found.tensors["w"].shape == (3,)
    assert find_not_finite(tmp_path / "w") == ""


@pytest.mark.parametrize(
    "header",
    [
        entry(shape=[4]),
        entry(shape=[10**9]),
        entry(shape=[2**31, 2**31, 2**31]),
        entry(shape=[-3]),
        entry(shape=[1.5]),
        entry(shape="3"),
        entry(shape=None),
        entry(shape=[True, True, 3]),
        entry(shape=[1] * 9),
        entry(data_offsets=[0, 10**12], shape=[125 * 10**9]),
        entry(data_offsets=[8, 32]),
        entry(data_offsets=[24, 0]),
        entry(data_offsets=[0]),
        entry(data_offsets=["0", "24"]),
        entry(dtype="F128"),
        entry(dtype=8),
        {"w": None},
        {"w": []},
        {**entry(), "again": entry()["w"]},
        {**entry(), "__metadata__": {"model.json": 1}},
        {**entry(), "__metadata__": []},
        {**entry(), "__metadata__": [1]},
        [],
        b"x" * 30,
        b"[" * 5000,
        b"",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tmp_path: Path, header: Any) -> None:
    path = write_raw(tmp_path / "w", header)
    if header == {**entry(), "__metadata__": []}:
        assert read_header(path).metadata == {}  # nothing is in it
        return
    with pytest.raises(ModelError, match="not readable as safetensors") as caught:
        read_header(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("length", [0, 1, 10**6, 2**40, 2**64 - 1])
def test_a_header_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(ModelError, match="not readable as safetensors"):
        read_header(write_raw(tmp_path / "w", entry(), length=length))


@pytest.mark.parametrize("data", [b"", bytes(23), bytes(25)])
def test_another_size_of_the_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ModelError, match="longer or shorter"):
        read_header(write_raw(tmp_path / "w", entry(), data))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes by name here")
def test_only_a_regular_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path, tmp_path / "none"):
        with pytest.raises(ModelError):
            read_header(path)


_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(_names, st.lists(st.integers(0, 3), max_size=3), max_size=5))
def test_a_copy_has_the_same_tensors_and_other_text(shapes: dict[str, list[int]]) -> None:
    shapes.pop("__metadata__", None)
    tensors = {name: np.full(shape, 7, np.float32) for name, shape in shapes.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        path.write_bytes(save(tensors, metadata={"model.json": "old"}))
        out = io.BytesIO()
        copy_weights(path, out, {"model.json": "new"})
        path.write_bytes(out.getvalue())
        assert read_header(path).metadata == {"model.json": "new"}
    again = load(out.getvalue())
    assert again.keys() == tensors.keys()
    assert all(np.array_equal(again[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("bits", [0x7F80, 0xFF80, 0x7FC0])
def test_bf16_that_is_not_finite_is_found(tmp_path: Path, bits: int) -> None:
    shape = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    good = np.array([0x3F80, 0x7F7F], "<u2").tobytes()  # one and the largest
    assert find_not_finite(write_raw(tmp_path / "w", {"w": shape}, good)) == ""
    bad = np.array([0x3F80, bits], "<u2").tobytes()
    assert find_not_finite(write_raw(tmp_path / "w", {"w": shape}, bad)) == "w"
