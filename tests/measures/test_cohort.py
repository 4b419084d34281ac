"""The page of many scans: numbers, and what to look at first."""

from __future__ import annotations

import re

from napari_retseg.measures.cohort import Member, make_cohort
from napari_retseg.measures.quantities import Measurement
from tests.measures.test_sheet import read_text


def make_member(
    name: str, cst: float | None, *, is_doubtful: bool = False, valid: float = 1.0
) -> Member:
    numbers = (
        Measurement("doubtful", "fovea", "scan", float(is_doubtful), ""),
        Measurement("CST", "retina", "C0", cst, "um", valid=valid),
        Measurement("pockets", "fluid", "scan", 0.0, ""),
        Measurement("volume", "fluid", "scan", 0.0, "nl", valid=1.0),
    )
    return Member(name, "OD", "predicted", f"{name}/report.html", numbers)


def list_first(members: list[Member]) -> dict[str, str]:
    """The scans to look at first, with the reasons, in order."""
    page = make_cohort(members, "0.1")
    first = page[page.index("Look at these first</h2>") : page.index("Distributions</h2>")]
    rows = re.findall(r"<tr><td.*?</tr>", first)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    return {re.sub("<.*?>", "", name): why for name, why in cells}


def test_scans_far_from_the_others_come_first() -> None:
    members = [make_member(f"eye {k}", 270.0 + 3 * k) for k in range(9)]
    members.insert(3, make_member("edema", 520.0))
    members.insert(5, make_member("both", 120.0, is_doubtful=True))
    found = list_first(members)
    assert list(found) == ["both", "edema"]
    assert found["edema"] == "CST 520 µm: far from the others"
    assert found["both"] == "CST 120 µm: far from the others; the fovea is doubtful"


def test_of_few_scans_nobody_knows_what_is_usual() -> None:
    members = [
        make_member(name, cst) for name, cst in zip("abcd", (270, 271, 272, 900), strict=True)
    ]
    assert list_first(members) == {}
    text = read_text(make_cohort(members, "0.1"))
    assert "No scan stands out" in text
    assert "fewer than 5 scans" in text


def test_like_numbers_have_no_outliers() -> None:
    members = [make_member(str(k), 280.0) for k in range(8)]
    assert list_first([*members, make_member("other", 281.0)]) == {}


def test_numbers_that_are_missing_or_of_little_area() -> None:
    members = [make_member("<none>", None), make_member("part", 300.0, valid=0.4)]
    page = make_cohort(members, "0.1")
    assert list_first(members) == {"part": "only 40% of the central sector is measured"}
    assert "<none>" not in page
    assert 'href="%3Cnone%3E/report.html"' in page
    text = read_text(page)
    assert "&lt;none&gt; OD predicted - 0.0" in text
    assert "part OD predicted 300* 0.0" in text
    assert page.count("data:image/png;base64,") == 1
