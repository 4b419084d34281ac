"""A stranger's ONNX file is checked before any runtime sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.errors import ModelError
from napari_retseg.models.onnxfile import check_graph
from napari_retseg.models.protobuf import read_fields

PATH = Path("model.onnx")


def number(value: int) -> bytes:
    """A number as protocol buffers write it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(key: int, value: bytes | int) -> bytes:
    """A field: a number, or bytes."""
    if isinstance(value, int):
        return number(key << 3) + number(value)
    return number(key << 3 | 2) + number(len(value)) + value


def model(*graph: bytes, more: bytes = b"") -> bytes:
    return field(1, 8) + field(7, b"".join(graph)) + more


TENSOR = field(1, 3) + field(2, 1) + field(9, b"\0" * 12)
OUTSIDE = field(1, 3) + field(2, 1) + field(13, field(1, b"location") + field(2, b"../secret"))
ELSEWHERE = TENSOR + field(14, 1)
NODE = field(4, b"Conv") + field(7, b"")


def attribute(key: int, value: bytes) -> bytes:
    return field(1, field(4, b"Constant") + field(5, field(1, b"value") + field(key, value)))


def test_a_whole_model_is_accepted() -> None:
    check_graph(model(field(1, NODE), field(5, TENSOR), attribute(5, TENSOR)), PATH)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (model(field(5, OUTSIDE)), "another file"),
        (model(field(5, ELSEWHERE)), "another file"),
        (model(attribute(5, OUTSIDE)), "another file"),
        (model(attribute(10, OUTSIDE)), "another file"),
        (model(attribute(6, field(5, OUTSIDE))), "a graph in a graph"),
        (model(attribute(11, b"")), "a graph in a graph"),
        (model(attribute(22, b"")), "sparse"),
        (model(field(15, b"")), "sparse"),
        (model(field(1, field(7, b"com.evil"))), "not ONNX's own"),
        (model(more=field(25, b"")), "functions"),
        (model(more=field(20, b"")), "training"),
        (model() + field(7, b""), "2 graphs"),
        (b"", "0 graphs"),
        (model(field(1, NODE))[:-1], "ends too early"),
        (b"\xff" * 40, "too long"),
        (b"PK\x03\x04", "wire type"),
        (number(7 << 3 | 2) + number(2**60), "ends too early"),
        (model(*[field(1, b"")] * 50_001), "50,000 nodes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ModelError, match=reason) as caught:
        check_graph(data, PATH)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        fields = list(read_fields(memoryview(data)))
    except ValueError:
        return
    sizes = [len(value) if isinstance(value, memoryview) else 1 for _, value in fields]
    assert sum(sizes) + len(fields) <= len(data) + len(fields)


@given(st.lists(st.tuples(st.integers(1, 2**20), st.integers(0, 2**63) | st.binary(max_size=9))))
def test_fields_come_back(fields: list[tuple[int, int | bytes]]) -> None:
    data = b"".join(field(key, value) for key, value in fields)
    found = [
        (key, bytes(value) if isinstance(value, memoryview) else value)
        for key, value in read_fields(memoryview(data))
    ]
    assert found == fields
