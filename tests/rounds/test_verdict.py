"""Whether the new model is better, and which one is kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.classes import LabelSet
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, ModelError
from napari_retseg.events import Finished, encode
from napari_retseg.models import (
    TrainedOn,
    find_model,
    list_models,
    list_versions,
    read_info,
    roll_back,
)
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import save_model
from napari_retseg.rounds import Verdict, judge_round, keep_new, keep_old, read_verdict
from tests.rounds.conftest import make_scores

BEFORE = {"NFL": 0.90, "INL": 0.85, "fluid": 0.60}


def _judge(
    after: dict[str, float | None] | None,
    before: dict[str, float | None] | None = None,
    *,
    bscans: int = 22,
    groups: int = 2,
    **options: Any,
) -> Verdict:
    values = {"bscans": bscans, "groups": groups}
    result = {
        "best": None if after is None else make_scores(after, **values),
        "start": None if before is None else make_scores(before, **values),
        "iterations": 120,
        "promoted": None if after is None or before is None else True,
        **options.pop("result", {}),
    }
    return judge_round(result, **options)


def test_better_in_words_and_numbers() -> None:
    found = _judge({"NFL": 0.902, "INL": 0.84, "fluid": 0.70}, {**BEFORE})
    assert found.text == (
        "Better: mean foreground Dice 0.814, was 0.783 (+0.031) on 22 B-scans of 2 patients; "
        "fluid +0.10, INL -0.01"
    )
    assert (found.level, found.promoted) == ("better", True)
    assert [row.name for row in found.rows] == ["NFL", "INL", "fluid", "mean foreground"]
    fluid, mean = found.rows[2:]
    assert fluid.dice_change == pytest.approx(0.1)
    assert fluid.iou_change == pytest.approx(0.7 / 1.3 - 0.6 / 1.4)
    assert mean.dice == pytest.approx((0.902 + 0.84 + 0.70) / 3)
    assert mean.bscans == 22


@pytest.mark.parametrize(
    ("fluid", "level", "words"),
    [
        (0.5, "worse", "Worse: mean foreground Dice 0.750, was 0.783 (-0.033)"),
        (0.6006, "better", "Better: mean foreground Dice 0.784, was 0.783 (+0.001)"),
        (0.60001, "same", "As good as before: mean foreground Dice 0.783, was 0.783 (±0.000)"),
    ],
)
def test_worse_and_alike(fluid: float, level: str, words: str) -> None:
    found = _judge({**BEFORE, "fluid": fluid}, {**BEFORE})
    assert found.text.startswith(words)
    assert found.level == level


def test_at_most_three_classes_are_named_the_largest_first() -> None:
    names = ["a", "b", "c", "d", "e"]
    changes = [0.01, -0.2, 0.004, 0.05, 0.03]
    after = {name: 0.5 + change for name, change in zip(names, changes, strict=True)}
    found = _judge({**after}, dict.fromkeys(names, 0.5))
    assert found.text.endswith("; b -0.20, d +0.05, e +0.03")


def test_without_a_start_there_is_nothing_to_compare() -> None:
    found = _judge({**BEFORE})
    assert found.text == (
        "Nothing to compare with: mean foreground Dice 0.783 on 22 B-scans of 2 patients"
    )
    assert (found.level, found.promoted) == ("unknown", None)
    assert found.rows[0].dice_change is None
    assert found.remarks == ()


def test_absent_classes_have_no_score_and_say_so() -> None:
    after = make_scores({"NFL": 0.9, "INL": None, "fluid": 0.0}, fluid=37)
    found = judge_round({"best": after, "start": None, "promoted": None})
    assert found.rows[1].dice is None
    assert found.rows[1].remark == "not in the held-out labels"
    assert found.rows[2].remark == "not in the held-out labels, but predicted at 37 pixels"
    said = "Not in the held-out labels: INL, fluid (predicted at 37 pixels)."
    assert said in found.remarks
    assert "mean foreground Dice 0.900" in found.text
    nothing = judge_round({"best": make_scores({"NFL": None}, bscans=1, groups=1), "start": None})
    assert (
        nothing.text == "No score: the labels contain none of the classes on 1 B-scan of 1 patient"
    )
    assert nothing.level == "unknown"


def test_the_same_is_said_of_classes_together_and_not_of_a_single_bscan() -> None:
    after = make_scores({"NFL": 0.9, "INL": 0.8, "fluid": 0.5}, bscans=5)
    for name in ("NFL", "fluid"):
        after["classes"][name]["bscans_present"] = 1
    found = judge_round({"best": after, "start": None})
    assert "NFL, fluid: in one held-out B-scan only." in found.remarks
    single = make_scores({"NFL": 0.9, "INL": 0.8}, bscans=1, groups=1)
    assert single["classes"]["NFL"]["bscans_present"] == 1
    assert not any("NFL" in text for text in judge_round({"best": single, "start": None}).remarks)


def test_few_bscans_and_one_patient_are_said() -> None:
    found = _judge({**BEFORE}, {**BEFORE}, bscans=2, groups=1)
    assert found.remarks[:2] == (
        "Only 2 B-scans are held out: small differences can be chance. Confirm more held-out "
        "B-scans.",
        "All held-out B-scans are of one patient: the model may be better or worse on others.",
    )
    assert "on 2 B-scans of 1 patient" in found.text


def test_labels_that_were_accepted_from_the_old_model_are_said() -> None:
    start = {**make_scores(BEFORE), "n_exact": 3}
    found = judge_round({"best": make_scores(BEFORE), "start": start})
    total = start["n_bscans"]
    words = f"3 of {total} held-out B-scans are predictions of the old model, accepted without"
    assert any(text.startswith(words) for text in found.remarks)
    start["n_exact"] = 1
    found = judge_round({"best": make_scores(BEFORE), "start": start})
    assert any(" is a prediction of the old model" in text for text in found.remarks)
    # none, and trainings of before it was counted
    for number in ({"n_exact": 0}, {}):
        found = judge_round({"best": make_scores(BEFORE), "start": make_scores(BEFORE) | number})
        assert not any("of the old model, accepted" in text for text in found.remarks)


def test_a_patient_on_both_sides_is_said() -> None:
    trained = TrainedOn(
        dataset="d",
        sha256="f",
        n_groups=1,
        n_heldout_groups=1,
        n_shared_groups=1,
        bscans=3,
        iterations=9,
    )
    found = _judge({**BEFORE}, {**BEFORE}, groups=1, trained_on=trained)
    assert found.remarks[0] == ("One patient only: the scores say nothing about other patients.")


def test_a_new_class_and_the_flattering_choice_are_said() -> None:
    found = _judge({**BEFORE}, {**BEFORE, "fluid": 0.0}, known=("background", "NFL", "INL"))
    assert "fluid: not a class of the old model." in found.remarks
    assert found.remarks[-1].startswith("Checkpoint chosen on these B-scans")


def test_the_older_data_set_is_compared() -> None:
    rehearsed = {"start": make_scores({"NFL": 0.9}), "last": make_scores({"NFL": 0.87})}
    found = _judge({**BEFORE}, {**BEFORE}, result={"rehearsed": rehearsed})
    words = (
        "On the rehearsal dataset, after the last iteration: mean foreground Dice 0.870, was 0.900"
    )
    assert any(text == f"{words} (-0.030)." for text in found.remarks)
    found = _judge({**BEFORE}, {**BEFORE}, result={"rehearsed": {"start": None, "last": None}})
    assert not any("older" in text for text in found.remarks)


def test_a_stopped_training_is_judged_as_far_as_it_came() -> None:
    found = _judge({**BEFORE, "fluid": 0.9}, {**BEFORE}, cancelled=True)
    assert found.text.startswith("Stopped after 120 iterations. Better: ")
    found = _judge(None, {**BEFORE}, cancelled=True)
    assert found.text.startswith("Stopped after 120 iterations. The new model has no scores")
    assert (found.level, found.rows, found.promoted) == ("unknown", (), None)


@pytest.fixture
def run(tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path) -> Path:
    """Train for a few steps."""
    from napari_retseg.learn.train import fine_tune

    config = TrainConfig(
        iterations=6, batch_size=2, crop="32x32", score_every=3, device="cpu", lr=5e-3, ema=0
    )
    folder = tmp_path / "run"
    for _ in fine_tune(load_dataset(tiny_dataset), config, output=folder, start=tiny_bundle):
        pass
    return folder


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test models of its own."""
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.mark.parametrize(("lesions", "is_known"), [(["IRF", "SRF"], True), (["IRF"], False)])
def test_a_class_that_was_several_is_one_of_the_old_model(
    run: Path, lesions: list[str], is_known: bool
) -> None:
    info = read_info(run / "model-start")
    classes = LabelSet.from_names(["upper", "lower", *lesions])
    network = info.network.model_copy(update={"n_classes": len(classes)})
    finer = info.model_copy(
        update={"network": network, "classes": classes, "scores": None, "start_scores": None}
    )
    save_model(run / "model-start", build_seeded(network, 3), finer)
    (fluid,) = (row for row in read_verdict(run).rows if row.name == "fluid")
    assert (fluid.remark == "not a class of the old model") == (not is_known)


def test_the_verdict_of_a_real_run_agrees_with_the_gate(run: Path) -> None:
    found = read_verdict(run)
    info = read_info(run / "model")
    assert info.scores is not None
    assert info.start_scores is not None
    after, before = (s["mean_foreground_dice"] for s in (info.scores, info.start_scores))
    assert after is not None
    assert before is not None
    assert f"mean foreground Dice {after:.3f}, was {before:.3f}" in found.text
    assert "on 4 B-scans of 1 patient" in found.text
    assert found.promoted == (after >= before)
    assert [row.name for row in found.rows] == ["upper", "lower", "fluid", "mean foreground"]
    assert found.remarks[0].startswith("Only 4 B-scans are held out")


def test_a_run_that_has_not_ended_has_no_verdict(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no run"):
        read_verdict(tmp_path)
    (tmp_path / "events.jsonl").write_text("")
    with pytest.raises(InputError, match="has not finished; resume it"):
        read_verdict(tmp_path)
    line = json.dumps(encode(Finished(cancelled=True, result={"best": None, "iterations": 1})))
    (tmp_path / "events.jsonl").write_text(line)
    assert read_verdict(tmp_path).text.startswith("Stopped after 1 iteration. ")


def _id(folder: Path) -> str:
    return read_info(folder).weights_id


def test_keep_new_replaces_and_the_history_goes_back(
    run: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent)
    old, new = _id(tiny_bundle), _id(run / "model")
    own = run.parent / "own" / "mine"
    shutil.copytree(tiny_bundle, own)
    change = keep_new(Path("run"), "mine")
    assert (change.kept_as, change.folder) == (1, own)
    assert _id(find_model("mine")) == new
    assert roll_back("mine").restored == 1
    assert _id(find_model("mine")) == old
    assert len(list_versions("mine")) == 2


def test_a_model_that_was_not_promoted_can_be_kept(run: Path, tiny_bundle: Path) -> None:
    file = run / "model" / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "promoted": False}))
    keep_new(run, "mine")
    assert keep_new(run, "mine").kept_as == 1


def test_keep_old_undoes_keep_new_and_nothing_else(run: Path, tiny_bundle: Path) -> None:
    assert keep_old(run, "mine") is None
    own = run.parent / "own" / "mine"
    shutil.copytree(tiny_bundle, own)
    assert keep_old(run, "mine") is None
    keep_new(run, "mine")
    keep_new(run, "mine")
    change = keep_old(run, "mine")
    assert change is not None
    assert _id(own) == _id(tiny_bundle)
    assert keep_old(run, "mine") is None
    assert _id(run / "model") != _id(own)


def test_keep_old_takes_a_new_name_away_but_not_for_good(run: Path) -> None:
    keep_new(run, "fresh")
    change = keep_old(run, "fresh")
    assert change is not None
    assert [path.name for path in list_models() if path.name == "fresh"] == []
    assert roll_back("fresh").restored == change.kept_as
    assert _id(find_model("fresh")) == _id(run / "model")


def test_a_run_without_a_model_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model yet"):
        keep_new(tmp_path, "mine")
    assert keep_old(tmp_path, "mine") is None


def test_labels_that_are_mostly_the_old_models_own_judge_nobody() -> None:
    start = {**make_scores(BEFORE), "n_kept": 12}
    worse = {name: value - 0.05 for name, value in BEFORE.items()}
    verdict = judge_round({"best": make_scores(worse), "start": start, "promoted": None})
    assert verdict.level == "unknown"
    assert verdict.text.startswith(
        "Undecided: most held-out labels are predictions of the old model"
    )
    assert any(
        remark.startswith(
            "12 of 22 held-out B-scans are predictions of the old model, accepted with"
        )
        for remark in verdict.remarks
    )
    better = {name: min(1.0, value + 0.05) for name, value in BEFORE.items()}
    assert judge_round({"best": make_scores(better), "start": start}).level == "better"
    start["n_kept"] = 11  # half of them speak for nobody
    assert judge_round({"best": make_scores(worse), "start": start}).level == "worse"


def test_scores_on_other_kinds_of_scans_are_one_line() -> None:
    elsewhere = {
        "start": make_scores({"NFL": 0.72, "fluid": 0.70}, bscans=24),
        "best": make_scores({"NFL": 0.72, "fluid": 0.68}, bscans=24),
    }
    found = _judge({"NFL": 0.9}, {"NFL": 0.8}, result={"elsewhere": elsewhere})
    line = "Other kinds of scans (24 simulated): mean Dice 0.700, was 0.710 (-0.010)."
    assert line in found.remarks
    plain = _judge({"NFL": 0.9}, {"NFL": 0.8}, result={"elsewhere": None})
    assert not any("kinds" in text for text in plain.remarks)


@pytest.mark.parametrize(
    ("dice_with", "words"),
    [
        (0.91, "12 unlabelled B-scans helped: mean Dice 0.910, without 0.900."),
        (0.9, "did not help, so not used: mean Dice 0.900, without 0.900."),
    ],
)
def test_it_is_said_whether_unlabelled_bscans_helped(dice_with: float, words: str) -> None:
    unlabelled = {"bscans": 12, "dice_without": 0.9, "dice_with": dice_with}
    found = _judge({"NFL": 0.9}, {"NFL": 0.8}, result={"unlabelled": unlabelled})
    assert any(words in text for text in found.remarks)
