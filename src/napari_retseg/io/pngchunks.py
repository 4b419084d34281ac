"""What a PNG says beside its pixels: Pillow passes most of it over.

Portable Network Graphics Specification, third edition (W3C 2025), and its extensions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

from napari_retseg.errors import InputError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST_CHUNK = 2**31
_KEPT_BYTES = 1024
_MOST_CHUNKS = 1_000_000
_GREY, _GREY_ALPHA = 0, 4
#: Of gamma times 100,000: 1/2.2, as nearly every program writes.
_COMMON_GAMMA = (45_000, 46_000)


@dataclass(frozen=True)
class PngFacts:
    """What the chunks of a PNG say.

    Parameters
    ----------
    size
        Width and height.
    bit_depth, colour_type
        As in IHDR.
    chunks
        Type of each chunk but the pixels', with its first bytes.
    """

    size: tuple[int, int]
    bit_depth: int
    colour_type: int
    chunks: dict[str, bytes] = field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        """Samples of a pixel; 1 for a palette."""
        return {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(self.colour_type, 4)

    @property
    def is_grey(self) -> bool:
        """Whether the pixels are grey, with or without alpha."""
        return self.colour_type in (_GREY, _GREY_ALPHA)

    @property
    def n_frames(self) -> int:
        """Pictures of an animation; 1 without one."""
        data = self.chunks.get("acTL", b"")
        return int(struct.unpack(">I", data[:4])[0]) if len(data) >= 4 else 1

    def find_text(self, key: str) -> str:
        """Return the text of a key, if the first text of the file is that; else nothing."""
        name, _, text = self.chunks.get("tEXt", b"").partition(b"\0")
        return text.decode("latin-1") if name == key.encode("latin-1") else ""

    def notes(self) -> list[str]:
        """What would change the grey values or their meaning and is not applied."""
        found = []
        gamma = self.chunks.get("gAMA", b"")
        standard = "sRGB" in self.chunks
        if len(gamma) == 4 and not standard:
            (value,) = struct.unpack(">I", gamma)
            if not _COMMON_GAMMA[0] <= value <= _COMMON_GAMMA[1]:
                found.append(f"the gamma in the file ({value / 1e5:g}) is not applied")
        for name, what in (("iCCP", "colour profile"), ("cICP", "colour space")):
            if name in self.chunks:
                found.append(f"the {what} in the file is not applied")
        if "pCAL" in self.chunks:
            found.append("the calibration of grey values in the file (pCAL) is not applied")
        if "tRNS" in self.chunks:
            found.append("the transparent colour in the file is ignored")
        bits = self.chunks.get("sBIT", b"")
        if bits and bits[0] < self.bit_depth:
            found.append(f"the file says that {bits[0]} of {self.bit_depth} bits are significant")
        if "oFFs" in self.chunks:
            found.append("the offset in the file (oFFs) is ignored")
        return found

    def scale_um(self) -> tuple[float, float] | None:
        """Pixel size (down, across) of an sCAL chunk in um; None without one."""
        parts = self.chunks.get("sCAL", b"")
        if parts[:1] != b"\x01":
            return None
        try:
            across, down = (float(text) * 1e6 for text in parts[1:].split(b"\0")[:2])
        except ValueError:
            return None
        return down, across


def read_chunks(path: Path) -> PngFacts | None:
    """Read what lies beside the pixels of a PNG; None where it is another kind of file.

    Raises
    ------
    InputError
        Where the chunks do not fit each other.
    """
    with path.open("rb") as stream:
        if stream.read(8) != _SIGNATURE:
            return None
        chunks: dict[str, bytes] = {}
        for _ in range(_MOST_CHUNKS):
            head = stream.read(8)
            if len(head) < 8:
                break
            length, name = struct.unpack(">I4s", head)
            if length >= _LARGEST_CHUNK:
                raise InputError(f"{path}: damaged PNG (a chunk of {length:,} bytes)")
            kind = name.decode("latin-1")
            kept = b"" if kind == "IDAT" else stream.read(min(length, _KEPT_BYTES))
            chunks.setdefault(kind, kept)
            if kind == "IEND":
                break
            stream.seek(length - len(kept) + 4, 1)
    header = chunks.get("IHDR", b"")
    if len(header) < 13:
        raise InputError(f"{path}: PNG without a header, or truncated; copy it again")
    width, height, depth, colour = struct.unpack(">IIBB", header[:10])
    return PngFacts((width, height), depth, colour, chunks)
