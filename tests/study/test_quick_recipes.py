"""The quick version of every recipe runs end to end on simulated scans."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_retseg.study.folder import StudyFolder
from napari_retseg.study.results import read_results
from tests.cli.conftest import invoke


#: msd-slices and label-efficiency run in test_report.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["dme-transfer", "cross-disease", "prostate-3d"])
def test_it_ends_with_a_report(name: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = invoke("study", name, "--quick", "--output", output)
    assert done.exit_code == 0, done.output
    folder = StudyFolder(output)
    plan = folder.read_plan()
    results = read_results(plan, folder)
    assert len(results) == sum(run.kind == "run" for run in plan.runs)
    assert all(result.scores["n_bscans"] > 0 for result in results)
    assert (output / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_the_oct_version_of_cross_disease_pre_trains_on_simulated_scans(tmp_path: Path) -> None:
    output = tmp_path / "out"
    options = ["--set", "grids.strategies.factors.strategy.scratch=null"]
    options += ["--set", "splits.four-fold.plan=80/20"]
    done = invoke("study", "cross-disease-oct", "--quick", "--output", output, *options)
    assert done.exit_code == 0, done.output
    plan = StudyFolder(output).read_plan()
    assert plan.runs[0].kind == "pretraining"
    assert plan.runs[0].data.simulated
    assert {run.levels["strategy"] for run in plan.runs[1:]} == {"all", "decoder", "last three"}
