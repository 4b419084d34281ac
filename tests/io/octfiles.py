"""Files named .OCT by the published structures of Bioptigen and Optovue."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def field(name: str, content: bytes = b"") -> bytes:
    """A field of a Bioptigen file."""
    return struct.pack("<I", len(name)) + name.encode() + struct.pack("<I", len(content)) + content


def whole(name: str, number: int) -> bytes:
    return field(name, struct.pack("<I", number))


def real(name: str, number: float) -> bytes:
    return field(name, struct.pack("<d", number))


def write_bioptigen(
    path: Path, stack: NDArray[np.uint16], numbers: dict[str, float] | None = None
) -> Path:
    """A file of these B-scans, (bscan, depth, width); `numbers` are fields of the header."""
    count, depth, width = stack.shape
    header: dict[str, Any] = {
        "FRAMECOUNT": count, "LINECOUNT": width, "LINELENGTH": depth, "SAMPLEFORMAT": 1,
        "SCANTYPE": 1, "SCANDEPTH": 3.3, "SCANLENGTH": 7.0, "AZSCANLENGTH": 8.0,
        "ELSCANLENGTH": 6.0, "SCANS": count, "FRAMES": 1, "DOPPLERFLAG": 0, **(numbers or {}),
    }  # fmt: skip
    data = struct.pack("<IH", 0x15, 0x101) + field("FRAMEHEADER")
    for name, value in header.items():
        data += real(name, value) if "SCAN" in name and name[4:] and name not in (
            "SCANTYPE", "SCANS") else whole(name, int(value))  # fmt: skip
    data += field("DESCRIPTION", b"Zaphod Beeblebrox") + field("CONFIG", bytes(20)) + bytes(4)
    for plane in stack:
        samples = plane.T.astype("<u2").tobytes()
        data += field("FRAMEDATA")
        data += field("FRAMEDATETIME", struct.pack("<8H", 2016, 2, 3, 17, 9, 8, 7, 6))
        data += real("FRAMETIMESTAMP", 0.5) + whole("FRAMELINES", width)
        data += field("FRAMESAMPLES", samples)
        data += (field("DOPPLERSAMPLES", samples) if header["DOPPLERFLAG"] else b"") + bytes(4)
    path.write_bytes(data)
    return path


def describe_optovue(*steps: tuple[int, int, float, float], depth: int, eye: str = "OD") -> str:
    """Text of the description: A-scans, B-scans, size and interval of each step."""
    lines = ["[General]", f"OCT Window Height={depth}", "Scan Depth=2.401 mm", f"Eye Scanned={eye}"]
    for number, (width, count, size, interval) in enumerate(steps, 1):
        lines += [
            f"[CL - 3D Retina Step {number}]",
            f"XY Scan Length={width}",
            f"XY Scan Usage={count}",
            f"[CL - 3D Retina Step {number} Detail]",
            f"XY Scan Size1= {size:.2f} mm",
            f"XY Scan Interval1= {interval:.3f} mm",
        ]
    return "\r\n".join(lines)


def write_optovue(path: Path, *stacks: NDArray[np.float32], text: str) -> Path:
    """The steps one after the other, each A-scan from the lowest row up, and the description."""
    path.write_bytes(
        b"".join(stack[:, ::-1].transpose(0, 2, 1).astype("<f4").tobytes() for stack in stacks)
    )
    path.with_suffix(".txt").write_text(text, encoding="latin-1")
    return path
