"""What two scans of unchanged eyes differ by decides what is more than noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from napari_retseg.visits.repeatability import OWN, Repeatability
from napari_retseg.visits.retest import Retest, Retesting
from napari_retseg.visits.rows import ChangeRow, make_row

SECTORS = ("C0", "S1", "N1", "I1", "T1", "S2", "N2", "I2", "T2")
LAYERS = ("any", "other", "retina")


def draw_rows(seed: int, noise: float = 1.0, planted_um: float = 0.0) -> list[ChangeRow]:
    """Changes of two visits; `planted_um` of one layer at S1."""
    return list(_draw(np.random.default_rng(seed), noise, planted_um))


def _draw(rng: np.random.Generator, noise: float, planted_um: float) -> Iterator[ChangeRow]:
    for name in LAYERS:
        for sector in SECTORS:
            # heavy tails: labels fail now and then
            change = noise * rng.standard_t(3) + planted_um * ((name, sector) == ("any", "S1"))
            yield make_row("mean thickness", name, sector, (100, 100 + change), "um", 1.0)
    for sector in SECTORS:
        false = rng.exponential(3) * (rng.random() < 0.1)
        yield make_row("volume", "lesion", sector, (0.0, false), "nl", 1.0)


def collect(n_pairs: int) -> Retesting:
    found = Retesting()
    rng = np.random.default_rng(0)
    for seed in range(n_pairs):
        found.add(draw_rows(seed, noise=rng.lognormal(0, 1)))
    return found


@pytest.fixture(scope="module")
def retest() -> Retest:
    return collect(200).finish(weights_id="w", data="drawn eyes")


def count_marks(rows: list[ChangeRow]) -> int:
    return sum(bool(row.is_change) for row in rows)


def test_few_other_pairs_have_a_mark_though_tails_are_heavy(retest: Retest) -> None:
    rng = np.random.default_rng(1)
    pairs = [draw_rows(5000 + k, noise=rng.lognormal(0, 1)) for k in range(300)]
    n_marked = sum(count_marks(retest.judge(rows)) > 0 for rows in pairs)
    # two families of numbers, each with a chance of 1 in 201
    assert n_marked <= 9
    assert sum(count_marks(retest.judge(draw_rows(k))) for k in range(20)) == 0


def test_a_change_that_stands_out_of_the_noise_of_its_scans_is_marked(retest: Retest) -> None:
    quiet, loud = (retest.judge(draw_rows(7, noise, planted_um=12.0)) for noise in (0.1, 10.0))
    assert [(row.structure, row.sector) for row in quiet if row.is_change] == [("any", "S1")]
    assert count_marks(loud) == 0
    rows = {(row.structure, row.sector): row for row in quiet}
    marked = rows["any", "S1"]
    assert marked.repeatability is not None
    assert marked.smallest_change is not None
    assert marked.repeatability < marked.smallest_change < 12


def test_a_failure_in_one_pair_makes_the_bound(retest: Retest) -> None:
    found = collect(200)
    found.add(draw_rows(7, planted_um=300.0))
    wider = found.finish(weights_id="w", data="drawn eyes")
    again = wider.judge(draw_rows(7, planted_um=290.0))
    assert count_marks(retest.judge(draw_rows(7, planted_um=290.0))) == 1
    assert count_marks(again) == 0


def test_smallest_changes_of_a_lesion_grow_with_it(retest: Retest) -> None:
    thickness = draw_rows(7)[: len(LAYERS) * len(SECTORS)]

    def judge(before: float, after: float) -> ChangeRow:
        row = make_row("volume", "lesion", "S1", (before, after), "nl", 1.0)
        return retest.judge([*thickness, row])[-1]

    none, more = judge(0, 0), judge(100, 100)
    assert none.smallest_change is not None
    assert more.smallest_change is not None
    assert 0 < none.smallest_change < more.smallest_change
    for before, least in ((0, none.smallest_change), (100, more.smallest_change)):
        assert judge(before, before + 0.99 * least).is_change is False
        assert judge(before, before + 1.01 * least).is_change is True


def test_what_is_hardly_measured_or_not_known_has_no_mark(retest: Retest) -> None:
    rows = draw_rows(7, planted_um=500.0)
    poor = [make_row("mean thickness", "any", "S1", (0.0, 500.0), "um", 0.5), *rows[5:]]
    assert retest.judge(poor)[0].is_change is None
    unknown = [make_row("mean thickness", "new", "S1", (0.0, 500.0), "um", 1.0), *rows[5:]]
    assert retest.judge(unknown)[0].is_change is None
    assert count_marks(retest.judge(rows[:5])) == 0
    assert "too few numbers" in retest.describe(retest.find_noise(rows[:5]))


def test_own_coefficients_take_the_place_of_the_models(retest: Retest) -> None:
    rows = draw_rows(7)
    judged, basis = Repeatability.of_model(retest).name({"retina": 0.001}).judge(rows)
    assert {row.structure for row in judged if row.is_change} == {"retina"}
    assert OWN in basis
    assert "200 pairs of drawn eyes" in basis
    assert count_marks(list(Repeatability.of_model(retest).judge(rows)[0])) == 0


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="29 pairs; at least 30"):
        collect(29).finish(weights_id="w", data="drawn eyes")
