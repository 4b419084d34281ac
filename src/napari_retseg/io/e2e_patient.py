"""Who was examined, as an ``.E2E`` file says it: for the salted key and for nothing else."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Sequence
from typing import BinaryIO

from napari_retseg.io.e2e_chunks import Chunk
from napari_retseg.io.heyex_person import Person, day_of_filetime, keep_known

#: First names, family name with title, birth date, sex, number of the patient.
_PATIENT_DATA = struct.Struct("<31s66sIc25s")
_EXAM = struct.Struct("<16xQ")


def read_who(
    stream: BinaryIO, patients: Sequence[Chunk], exam_times: Sequence[Chunk]
) -> dict[str, str]:
    """All that the file says, for ``info --show-identifiers`` alone; several are joined."""
    found: dict[str, dict[str, None]] = {}
    for chunk in patients:
        for name, text in _read_patient(stream, chunk).items():
            found.setdefault(name, {})[text] = None
    for chunk in exam_times:
        data = chunk.read(stream, _EXAM.size)
        if len(data) == _EXAM.size:
            day = day_of_filetime(*_EXAM.unpack(data))
            found.setdefault("examination date", {})[day] = None
    return keep_known({name: "; ".join(filter(None, texts)) for name, texts in found.items()})


def read_person(stream: BinaryIO, patients: Sequence[Chunk], number: int) -> Person:
    """Who the patient with HEYEX's own number is, as far as the file says it."""
    for chunk in patients:
        if chunk.series[0] == number:
            known = _read_patient(stream, chunk)
            return Person(
                number=max(number, 0),
                patient_id=known.get("patient id", ""),
                name=known.get("patient name", ""),
                birth_date=known.get("birth date", ""),
            )
    return Person(number=max(number, 0))


def _read_patient(stream: BinaryIO, chunk: Chunk) -> dict[str, str]:
    data = chunk.read(stream, _PATIENT_DATA.size)
    if len(data) < _PATIENT_DATA.size:
        return {}
    first, family, born, sex, number = _PATIENT_DATA.unpack(data)
    names = ", ".join(filter(None, (_text(family), _text(first))))
    return keep_known(
        {
            "patient name": names,
            "patient id": _text(number),
            "birth date": _birth_date(born),
            "sex": _text(sex),
        }
    )


def _birth_date(stored: int) -> str:
    """A date from its digits (YYYYMMDD), or from Julian days as uocte describes them."""
    try:
        if 18_000_000 < stored < 22_000_000:
            return datetime.date(stored // 10_000, stored // 100 % 100, stored % 100).isoformat()
        # 1,721,425 is the Julian day of 1 January of the year 1
        day = datetime.date.fromordinal(stored // 64 - 14_558_805 - 1_721_424)
    except (ValueError, OverflowError):
        return ""
    return day.isoformat() if 1800 < day.year < 2200 else ""


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").partition("\0")[0].strip()
