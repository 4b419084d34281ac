"""The cases of a workspace: in memory for whoever asks, and on disk as ``dataset.json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_retseg.dataset import Case, Dataset, save_dataset
from napari_retseg.dataset.description import describe_case
from napari_retseg.errors import InputError
from napari_retseg.workspace.entry import ScanEntry, describe_entry

#: Where ``dataset.json`` keeps the cases whose scan is not there, so that the others load.
MISSING = "missing"


@dataclass(frozen=True)
class _Known:
    """What is on disk: replaced as a whole, so that readers need no lock."""

    cases: Mapping[str, Case]
    missing: frozenset[str]


class CaseBook:
    """The cases by their names.

    Reading takes no lock and no file. Changes are written first, and seen then; who changes
    holds the workspace's lock. Where ``dataset.json`` cannot be written, nothing is changed, and an
    InputError says why.

    Parameters
    ----------
    dataset
        The dataset without its cases.
    cases
        All, in order; ``about`` holds their names.
    missing
        Names of those whose scan is not there.
    """

    def __init__(self, dataset: Dataset, cases: Iterable[Case], missing: Iterable[str]) -> None:
        self._dataset = dataset.model_copy(update={"cases": ()})
        self._known = _Known({c.about["name"]: c for c in cases}, frozenset(missing))
        self._is_waiting = False

    @property
    def cases(self) -> Mapping[str, Case]:
        """All cases by name, in order."""
        return self._known.cases

    @property
    def missing(self) -> frozenset[str]:
        """Names of the cases whose scan is not there."""
        return self._known.missing

    @property
    def root(self) -> Path:
        """The workspace's folder."""
        return self._dataset.root

    @property
    def head(self) -> Dataset:
        """The dataset without its cases."""
        return self._dataset

    def get(self, name: str) -> Case:
        """Return a case.

        Raises
        ------
        InputError
            Where the workspace has none of this name.
        """
        case = self._known.cases.get(name)
        if case is None:
            raise InputError(f"{self.root}: has no scan named {name!r}; it may have been removed")
        return case

    def entries(self) -> tuple[ScanEntry, ...]:
        """Describe all cases, in order."""
        known = self._known
        return tuple(
            describe_entry(case, is_missing=name in known.missing)
            for name, case in known.cases.items()
        )

    def entry(self, name: str) -> ScanEntry:
        """Describe one case."""
        return describe_entry(self.get(name), is_missing=name in self._known.missing)

    def dataset(self, *, with_missing: bool = False) -> Dataset:
        """Return the dataset; cases whose scan is not there on request only."""
        known = self._known
        cases = [c for name, c in known.cases.items() if with_missing or name not in known.missing]
        fields = {name: getattr(self._dataset, name) for name in Dataset.model_fields}
        return Dataset(**{**fields, "cases": tuple(cases)})

    def change(self, *cases: Case, found: Iterable[str] = (), drop: str | None = None) -> None:
        """Put cases in place of those of the same names, or add them; write, then show.

        Parameters
        ----------
        *cases
            The new ones.
        found
            Names whose scan is there again.
        drop
            The name of a case that is taken out.
        """
        known = {**self._known.cases, **{case.about["name"]: case for case in cases}}
        if drop is not None:
            known.pop(drop, None)
        missing = (self._known.missing & known.keys()) - set(found)
        self._write(self._dataset, known, missing)

    def show(self, case: Case) -> None:
        """Put a case in the place of the one of its name, in memory only."""
        cases = {**self._known.cases, case.about["name"]: case}
        self._known = _Known(cases, self._known.missing)

    def change_head(self, dataset: Dataset) -> None:
        """Take over what a dataset says but its cases; write, then show."""
        self._write(dataset.model_copy(update={"cases": ()}), self.cases, self.missing)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write several changes at once, at the end; after an error those made until then."""
        before = self._dataset, self._known
        self._is_waiting = True
        try:
            yield
        finally:
            self._is_waiting = False
            try:
                self.save()
            except InputError:
                self._dataset, self._known = before
                raise

    def save(self) -> None:
        """Write what is in memory."""
        self._write(self._dataset, self.cases, self.missing)

    def _write(self, dataset: Dataset, cases: Mapping[str, Case], missing: frozenset[str]) -> None:
        if not self._is_waiting:
            self._save(dataset, cases, missing)
        self._dataset, self._known = dataset, _Known(cases, missing)

    def _save(self, dataset: Dataset, cases: Mapping[str, Case], missing: frozenset[str]) -> None:
        absent = [
            {**describe_case(case, dataset.root), "position": position}
            for position, (name, case) in enumerate(cases.items())
            if name in missing
        ]
        present = tuple(case for name, case in cases.items() if name not in missing)
        about = {**dataset.about, **({MISSING: absent} if absent else {})}
        save_dataset(dataset.model_copy(update={"cases": present, "about": about}))
