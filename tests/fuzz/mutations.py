"""Changes to files that keep enough of their structure to get far into a reader."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import yaml

#: Values of lengths, counts and offsets that are worth a try.
_NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 255, 256, 2**31, -(2**63), 10**30, 0.5, -0.0, 1e308, 1e-320,
    float("nan"), float("inf"), "", "a", "a" * 3000, "\0", "\ud800", "../../x", "/dev/zero",
    "hf-hub:x/y", "\x1b[31m", "=1+1", [], {}, [[]], [None], {"a": 1}, [1] * 50, {"": None},
)  # fmt: skip


def mutate(rng: random.Random, name: str, data: bytes) -> bytes:
    """Change the content of a file."""
    if rng.random() < 0.1:
        return _break_bytes(rng, data)
    if name.endswith((".json", ".jsonl")):
        return _break_lines(rng, data) if name.endswith("l") else _break_json(rng, data)
    if name.endswith((".yaml", ".yml")):
        return _break_yaml(rng, data)
    inner = _INNER.get(name.rpartition(".")[2])
    return inner(rng, data) if inner is not None else _break_bytes(rng, data)


def _break_bytes(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        changed = _break_once(rng, changed)
    return bytes(changed)


def _break_once(rng: random.Random, data: bytearray) -> bytearray:
    if not data:
        return bytearray(rng.randbytes(rng.choice((1, 4, 400))))
    # headers are small and come first
    end = rng.choice((64, 400, len(data), len(data)))
    at = rng.randrange(min(end, len(data)))
    kind = rng.randrange(8)
    if kind == 0:
        del data[at:]
    elif kind == 1:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        data[at] = rng.randrange(256)
    elif kind == 3:
        form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
        size = struct.calcsize(form)
        number = rng.choice(_NUMBERS) & (2 ** (8 * size) - 1)
        data[at : at + size] = struct.pack(form, number)
    elif kind == 4:
        form, values = rng.choice((("<f", 4), (">f", 4), ("<d", 8)))[0], (0.0, -1.0, 1e30)
        value = rng.choice((*values, float("nan"), float("inf")))
        packed = struct.pack(form, value)
        data[at : at + len(packed)] = packed
    elif kind == 5:
        del data[at : at + rng.choice((1, 2, 4, 100))]
    elif kind == 6:
        data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 100)))
    else:
        length = rng.choice((4, 12, 64))
        other = rng.randrange(len(data))
        data[at : at + length] = data[other : other + length]
    return data


def _break_json(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.1:
        return rng.choice((b"[" * 5000, b'{"a":' * 3000, b"1" * 5000, b"\xff\xfe", b"", b"null"))
    try:
        values = json.loads(data)
    except ValueError:
        return _break_bytes(rng, data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        values = _break_values(rng, values)
    try:
        return json.dumps(values).encode()
    except (ValueError, RecursionError):
        return _break_bytes(rng, data)


def _break_lines(rng: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True) or [b"{}\n"]
    number = rng.randrange(len(lines))
    lines[number] = _break_json(rng, lines[number]) + rng.choice((b"\n", b""))
    return b"".join(lines)


def _break_yaml(rng: random.Random, data: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.1:
        nest = "a: &a [x]\n" + "".join(f"{c}: &{c} [*a, *a]\n" for c in "bcdefgh")
        return rng.choice(
            (b"[" * 3000, nest.encode(), b"!!python/object:os.system x", b"a: 2026-01-01")
        )
    if kind < 0.3:
        return _break_bytes(rng, data)
    try:
        values = _break_values(rng, yaml.safe_load(data))
        return yaml.safe_dump(values, sort_keys=False).encode(errors="surrogatepass")
    except (yaml.YAMLError, ValueError, RecursionError):
        return _break_bytes(rng, data)


def _break_values(rng: random.Random, values: Any) -> Any:
    """Change, remove, add or exchange one value at any depth."""
    if isinstance(values, dict) and values:
        key = rng.choice(list(values))
        if rng.random() < 0.7:
            return {**values, key: _break_values(rng, values[key])}
        changed = dict(values)
        value = changed.pop(key)
        if rng.random() < 0.5:
            changed[rng.choice(("x", "", "0", "255", key + "x"))] = value
        return changed
    if isinstance(values, list) and values:
        place = rng.randrange(len(values))
        if rng.random() < 0.7:
            return [*values[:place], _break_values(rng, values[place]), *values[place + 1 :]]
        return rng.choice((values[:place], values * 2, values[::-1], [*values, None]))
    if isinstance(values, int | float) and rng.random() < 0.4:
        return rng.choice((-values, values + 1, values * 1000, values / 3, str(values), [values]))
    if rng.random() < 0.05:
        nested: Any = values
        for _ in range(100):
            nested = [nested]
        return nested
    return rng.choice(_VALUES)


def _break_gzip(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.2:
        return _break_bytes(rng, data)
    return gzip.compress(_break_bytes(rng, gzip.decompress(data)), 1)


def _break_zip(rng: random.Random, data: bytes) -> bytes:
    if rng.random() < 0.2:
        return _break_bytes(rng, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    members[name] = mutate(rng, name, members[name])
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", rng.choice((0, 8))) as archive:
        for one, content in members.items():
            archive.writestr(one, content)
    return target.getvalue()


def _break_png(rng: random.Random, data: bytes) -> bytes:
    """Change a chunk and put its checksum right."""
    parts, place = [], 8
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        parts.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    number = rng.randrange(len(parts))
    kind, body = parts[number]
    if kind == b"IDAT" and rng.random() < 0.5:
        body = zlib.compress(_break_bytes(rng, zlib.decompress(body)))
    else:
        body = _break_bytes(rng, body)
    parts[number] = (rng.choice((kind, kind, kind, b"tRNS", b"eXIf", b"acTL", b"iCCP")), body)
    changed = data[:8]
    for kind, body in parts:
        crc = zlib.crc32(kind + body)
        changed += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)
    return changed


def _break_mat(rng: random.Random, data: bytes) -> bytes:
    number, length = struct.unpack("<II", data[128:136])
    if number != 15 or rng.random() < 0.3:
        return _break_bytes(rng, data)
    inner = _break_bytes(rng, zlib.decompress(data[136 : 136 + length]))
    packed = zlib.compress(inner)
    return data[:128] + struct.pack("<II", 15, len(packed)) + packed


def _break_safetensors(rng: random.Random, data: bytes) -> bytes:
    (length,) = struct.unpack("<Q", data[:8])
    if rng.random() < 0.3:
        return _break_bytes(rng, data)
    header = json.loads(data[8 : 8 + length])
    about = header.get("__metadata__", {})
    if about and rng.random() < 0.5:
        name = rng.choice(list(about))
        about[name] = _break_json(rng, about[name].encode()).decode("latin-1")
        text = json.dumps(header).encode()
    else:
        text = _break_json(rng, data[8 : 8 + length])
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def _break_chunks(rng: random.Random, data: bytes) -> bytes:
    """Change a chunk of a Topcon file and put its length right."""
    parts, place = [], 15
    while place < len(data) and data[place]:
        end = place + 1 + data[place]
        (size,) = struct.unpack("<I", data[end : end + 4])
        parts.append((data[place + 1 : end], data[end + 4 : end + 4 + size]))
        place = end + 4 + size
    number = rng.randrange(len(parts))
    name, body = parts[number]
    kind = rng.randrange(8)
    if kind == 0:
        del parts[number]
    elif kind == 1:
        parts.append((name, _break_bytes(rng, body)))
    elif kind == 2:
        parts[number] = (rng.choice(parts)[0], body)
    else:
        parts[number] = (name, _break_bytes(rng, body))
    changed = data[:15]
    for name, body in parts:
        changed += bytes([len(name)]) + name + struct.pack("<I", len(body)) + body
    return changed + b"\0"


def _break_topcon(rng: random.Random, data: bytes) -> bytes:
    return (_break_bytes if rng.random() < 0.3 else _break_chunks)(rng, data)


def _break_xml(rng: random.Random, data: bytes) -> bytes:
    """Change, remove, repeat or exchange elements."""
    if rng.random() < 0.1:
        bomb = b'<!DOCTYPE HEDX [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
        return rng.choice(
            (bomb + data, b"<HEDX>" + b"<a>" * 5000, data * 2, b"<HEDX/>", b"\xff\xfe")
        )
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError:
        return _break_bytes(rng, data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        parent = rng.choice([one for one in root.iter() if len(one)] or [root])
        place = rng.randrange(max(len(parent), 1))
        kind = rng.randrange(6) if len(parent) else 0
        if kind <= 2:
            one = rng.choice(list(root.iter()))
            one.text = _break_text(rng, one.text or "")
        elif kind == 3:
            del parent[place]
        elif kind == 4:
            parent.insert(place, rng.choice(list(parent)))
        else:
            parent[place].tag = rng.choice(list(root.iter())).tag
        if len(ElementTree.tostring(root)) > 3 * len(data) + 1000:  # elements within themselves
            return data
    return ElementTree.tostring(root)


def _break_text(rng: random.Random, text: str) -> str:
    values = [value for value in _VALUES if isinstance(value, int | float | str)]
    chosen = str(rng.choice((*_NUMBERS, *values)))
    safe = "".join(c for c in chosen if c.isprintable() and not "\ud800" <= c <= "\udfff")
    return rng.choice((safe, safe, text * 2, text[: len(text) // 2], f"-{text}", f"{text} {safe}"))


def _break_e2e(rng: random.Random, data: bytes) -> bytes:
    """Change the header of a piece of data, or what comes first in it."""
    places = [found.start() for found in re.finditer(rb"MDbD", data)]
    if not places or rng.random() < 0.3:
        return _break_bytes(rng, data)
    at = rng.choice(places)
    end = min(at + rng.choice((60, 84, 250, 800)), len(data))
    return data[:at] + _break_bytes(rng, data[at:end]) + data[end:]


def _break_dicom(rng: random.Random, data: bytes) -> bytes:
    """Change the value or the length of an element, or the beginning of a compressed frame."""
    elements = [found.start() + 2 for found in _ELEMENT.finditer(data, 132, 1 << 20)]
    frames = [found.start() for found in re.finditer(rb"\xff\x4f\xff\x51|\xff\xd8\xff", data)]
    kind = rng.random()
    if not elements or kind < 0.2:
        return _break_bytes(rng, data)
    at, length = rng.choice(elements), rng.choice((2, 4, 8, 12, 40))
    if frames and kind < 0.5:
        at, length = rng.choice(frames), 120
    elif kind < 0.8:
        at += 4
    end = min(at + length, len(data))
    changed = _break_bytes(rng, data[at:end])
    if rng.random() < 0.8:  # what follows stays in its place
        changed = changed[: end - at].ljust(end - at, b" ")
    return data[:at] + changed + data[end:]


#: An element of DICOM with its type, as in "28 00 10 00 US".
_ELEMENT = re.compile(
    rb"[\x00-\xff]\x00(?:AE|AS|AT|CS|DA|DS|DT|FD|FL|IS|LO|OB|OW|PN|SH|SL|SQ|SS|TM|UI|UL|UN|US)"
)

_INNER: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "gz": _break_gzip,
    "npz": _break_zip,
    "pt": _break_zip,
    "zip": _break_zip,
    "png": _break_png,
    "mat": _break_mat,
    "xml": _break_xml,
    "E2E": _break_e2e,
    "dcm": _break_dicom,
    "safetensors": _break_safetensors,
    "fda": _break_topcon,
    "fds": _break_topcon,
}
