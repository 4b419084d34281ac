"""Who was examined, as Heidelberg files say it: for the salted key and for nothing else."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from dataclasses import dataclass

from napari_retseg.errors import InputError
from napari_retseg.io.patient import make_patient_key

_DAY_0 = datetime.datetime(1899, 12, 30)
_FILETIME_0 = datetime.datetime(1601, 1, 1)


@dataclass(frozen=True)
class Person:
    """The patient of a file.

    Parameters
    ----------
    number
        HEYEX's own number of the patient; 0 or empty where there is none.
    patient_id
        The number that users gave.
    name, birth_date
        As written in the file; they make the key only where there is no `patient_id`.
    """

    number: int | str = ""
    patient_id: str = ""
    name: str = ""
    birth_date: str = ""

    def make_key(self) -> tuple[str | None, tuple[str, ...]]:
        """The patient's key, the same for every kind of file, and a note where there is none."""
        if not (self.number or self.patient_id or self.name):
            return None, ()
        identity = f"{self.number}:{self.patient_id}"
        if not self.patient_id and self.name:
            # exports for publication often give all patients one number
            identity += f":{self.name}:{self.birth_date}"
        try:
            return make_patient_key(identity), ()
        except InputError as error:
            return None, (f"no patient key: {error}",)


def keep_known(found: Mapping[str, str]) -> dict[str, str]:
    """Leave out what a file does not say."""
    return {name: text for name, text in found.items() if text}


def day_of(days: float) -> str:
    """A date from days since 30 December 1899; empty where it cannot be one."""
    if not math.isfinite(days) or not 0 < days < 100_000:
        return ""
    return (_DAY_0 + datetime.timedelta(days=days)).date().isoformat()


def day_of_filetime(ticks: int) -> str:
    """A date from units of 100 ns since 1601; empty where it cannot be one."""
    if not 0 < ticks < 2 * 10**17:
        return ""
    return (_FILETIME_0 + datetime.timedelta(microseconds=ticks // 10)).date().isoformat()
