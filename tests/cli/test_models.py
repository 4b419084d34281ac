"""`models list|show|add|history|rollback|remove|export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.models import Measurement, TrainedOn, find_model
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.simulate import make_device_config, simulate_dataset
from tests.cli.conftest import Run, only_error


def test_a_model_is_added_listed_exported_and_added_again(
    run: Run, tiny_bundle: Path, own_models: Path, tmp_path: Path
) -> None:
    assert run("models", "add", tiny_bundle, "--name", "mine").exit_code == 0
    assert (own_models / "mine" / "model.safetensors").is_file()
    packed = tmp_path / "mine.zip"
    assert run("models", "export", "mine", packed).exit_code == 0
    assert run("models", "add", packed, "--name", "again").exit_code == 0
    listed = json.loads(run("models", "list", "--json").stdout)
    assert {"mine", "again"} <= {row["name"] for row in listed}


def test_the_list_has_name_path_classes_and_scores(run: Run, tiny_bundle: Path) -> None:
    run("models", "add", tiny_bundle, "--name", "mine")
    rows = json.loads(run("models", "list", "--json").stdout)
    (row,) = [row for row in rows if row["name"] == "mine"]
    assert set(row) == {"name", "path", "readable", "classes", "scores", "simulated"}
    assert [one["name"] for one in row["classes"]] == ["background", "upper", "lower", "fluid"]
    assert (Path(row["path"]) / "model.json").is_file()


def test_a_copy_of_the_starter_is_calibrated(run: Run, own_models: Path, tmp_path: Path) -> None:
    starter = find_model("starter")
    config = make_device_config("A", size=(96, 96), n_bscans=1)
    simulate_dataset(tmp_path / "data", count=9, config=config, n_val=9)
    refused = run("models", "calibrate", "starter", "--data", tmp_path / "data")
    assert refused.exit_code == 1
    assert f"models add {starter} --name NAME" in only_error(refused)
    run("models", "add", starter, "--name", "mine")
    shown = run("models", "show", "mine").stdout
    assert "with 90% intervals, calibrated on 533 simulated eyes" in shown
    result = run("models", "calibrate", "mine", "--data", tmp_path / "data", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["groups"] == 9
    shown = run("models", "show", "mine").stdout
    assert "with 90% intervals, calibrated on 9 scans of 9 held-out patients" in shown
    (own_models / "mine" / "intervals.json").write_text("[]")
    assert "without intervals (" in run("models", "show", "mine").stdout


def test_the_starter_is_always_there(run: Run) -> None:
    names = [row["name"] for row in json.loads(run("models", "list", "--json").stdout)]
    assert "starter" in names
    (line,) = [x for x in run("models", "list").stdout.splitlines() if x.startswith("starter")]
    assert "(simulated)" in line


def test_a_damaged_model_is_named_and_the_others_are_listed(
    run: Run, tiny_bundle: Path, own_models: Path
) -> None:
    run("models", "add", tiny_bundle, "--name", "good")
    run("models", "add", tiny_bundle, "--name", "damaged")
    (own_models / "damaged" / "model.json").write_text("{")
    result = run("models", "list")
    assert result.exit_code == 1
    assert "damaged" in only_error(result)
    assert "good" in result.stdout
    (line,) = [x for x in result.stdout.splitlines() if x.startswith("damaged")]
    assert "cannot be read" in line
    listed = json.loads(run("models", "list", "--json").stdout)
    (row,) = [row for row in listed if row["name"] == "damaged"]
    assert row["readable"] is False
    assert "cannot be read as JSON" in row["error"]


def test_show_names_network_and_classes(run: Run, tiny_bundle: Path) -> None:
    text = run("models", "show", tiny_bundle).stdout
    assert "unet with tu-test_resnet" in text
    assert "background, upper, lower, fluid" in text
    about = json.loads(run("models", "show", tiny_bundle, "--json").stdout)
    assert about["path"] == str(tiny_bundle)
    assert about["network"]["in_channels"] == 1


def test_show_tells_what_it_is_for_and_what_was_measured(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    model = load_model(tiny_bundle)
    one = Measurement(data="6 B-scans of a clinic", dice={"upper": 0.9, "fluid": 0.25})
    told = model.info.model_copy(update={"about": "For a start.", "measured": (one,)})
    save_model(tmp_path / "told", model.network, told)
    text = run("models", "show", tmp_path / "told").stdout
    assert "  For a start.\n" in text
    assert "measured on 6 B-scans of a clinic:\nDice upper 0.900, fluid 0.250" in text


def test_a_name_that_is_taken_is_kept(run: Run, tiny_bundle: Path) -> None:
    run("models", "add", tiny_bundle, "--name", "mine")
    result = run("models", "add", tiny_bundle, "--name", "mine")
    assert result.exit_code == 1
    assert "--replace" in only_error(result)
    assert run("models", "add", tiny_bundle, "--name", "mine", "--replace").exit_code == 0


def test_what_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    for arguments in (("show", "nothing"), ("add", tmp_path / "nothing")):
        result = run("models", *arguments)
        assert result.exit_code == 1
        assert "nothing" in only_error(result)


def test_an_export_is_a_zip(run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    result = run("models", "export", tiny_bundle, tmp_path / "model.tar")
    assert result.exit_code == 2
    assert ".zip" in only_error(result)


def test_an_export_that_cannot_be_written_is_one_line(run: Run, tiny_bundle: Path) -> None:
    result = run("models", "export", tiny_bundle, tiny_bundle / "model.json" / "model.zip")
    assert result.exit_code == 1
    assert "model.json" in only_error(result)


# Versions, and the gate --------------------------------------------------------------------------


def scores(fluid: float) -> dict[str, Any]:
    one = {
        "dice": fluid,
        "iou": fluid / 2,
        "bscans_present": 4,
        "reference_pixels": 9,
        "predicted_pixels": 9,
        "false_positive_pixels": 0,
    }
    return {
        "classes": {"background": one, "upper": one, "lower": one, "fluid": one},
        "mean_foreground_dice": fluid,
        "mean_foreground_iou": fluid / 2,
        "n_bscans": 4,
        "n_groups": 1,
    }


def change(bundle: Path, folder: Path, **about: Any) -> Path:
    """Copy a bundle that says something else about itself."""
    folder.mkdir(parents=True)
    data = json.loads((bundle / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(data | about))
    (folder / "model.safetensors").write_bytes((bundle / "model.safetensors").read_bytes())
    return folder


@pytest.fixture
def worse(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A model that the gate kept out."""
    return change(
        tiny_bundle,
        tmp_path / "worse",
        name="worse",
        parent="0123456789abcdef",
        promoted=False,
        scores=scores(0.612),
        start_scores=scores(0.701),
    )


def test_the_gate_keeps_a_worse_model_out_unless_forced(
    run: Run, tiny_bundle: Path, worse: Path, own_models: Path
) -> None:
    run("models", "add", tiny_bundle, "--name", "mine")
    result = run("models", "add", worse, "--name", "mine", "--replace")
    assert result.exit_code == 1
    line = only_error(result)
    for part in ("mine: not replaced", "not promoted", "0.612", "0.701", "--force"):
        assert part in line
    assert json.loads((own_models / "mine" / "model.json").read_text())["name"] == "tiny"
    forced = run("models", "add", worse, "--name", "mine", "--replace", "--force", "--json")
    assert json.loads(forced.stdout) == {
        "name": "mine",
        "path": str(own_models / "mine"),
        "kept_as": 1,
        "restored": None,
    }


def test_the_history_and_the_way_back(
    run: Run, tiny_bundle: Path, worse: Path, own_models: Path
) -> None:
    run("models", "add", tiny_bundle, "--name", "mine")
    run("models", "add", worse, "--name", "mine", "--replace", "--force")
    document = json.loads(run("models", "history", "mine", "--json").stdout)
    assert document["name"] == "mine"
    now, before = document["versions"]
    assert (now["version"], now["current"], now["name"]) == (None, True, "worse")
    assert (before["version"], before["current"], before["name"]) == (1, False, "tiny")
    assert now["scores"]["mean_foreground_dice"] == 0.612
    assert now["start_scores"]["mean_foreground_dice"] == 0.701
    assert (now["promoted"], before["promoted"]) == (False, None)
    assert Path(before["path"]) == own_models / ".history" / "mine" / "0001"
    lines = run("models", "history", "mine").stdout.splitlines()
    assert lines[0].startswith("current ")
    assert "mean Dice 0.612" in lines[0]
    assert lines[0].endswith("from 0123456789ab, not promoted")
    assert lines[1].startswith("0001 ")
    assert before["weights_id"][:12] in lines[1]
    assert lines[1].endswith("from scratch")
    assert len(lines) == 2

    back = json.loads(run("models", "rollback", "mine", "--json").stdout)
    assert (back["restored"], back["kept_as"]) == (1, 2)
    assert json.loads((own_models / "mine" / "model.json").read_text())["name"] == "tiny"
    text = run("models", "rollback", "mine", "--to", "2").stdout
    assert text.startswith("mine: version 0002 restored: ")
    assert "(the previous model is version 0003)" in text
    assert json.loads((own_models / "mine" / "model.json").read_text())["name"] == "worse"


def test_a_model_is_removed_and_brought_back(run: Run, tiny_bundle: Path) -> None:
    run("models", "add", tiny_bundle, "--name", "mine")
    result = run("models", "remove", "mine")
    assert (
        result.stdout.strip()
        == "mine: removed (kept as version 0001; restore it with 'models rollback mine')"
    )
    assert run("models", "show", "mine").exit_code == 1
    assert run("models", "rollback", "mine").exit_code == 0
    assert run("models", "show", "mine").exit_code == 0


@pytest.mark.parametrize("command", ["history", "rollback", "remove"])
@pytest.mark.parametrize("name", ["nothing", "../x", "a b", "starter"])
def test_no_version_is_one_line(run: Run, command: str, name: str) -> None:
    result = run("models", command, name)
    assert result.exit_code == 1
    assert name in only_error(result)


def test_a_version_that_cannot_be_read_is_listed(
    run: Run, tiny_bundle: Path, own_models: Path
) -> None:
    run("models", "add", tiny_bundle, "--name", "mine")
    (own_models / "mine" / "model.json").write_text("{")
    assert "cannot be read: " in run("models", "history", "mine").stdout
    (row,) = json.loads(run("models", "history", "mine", "--json").stdout)["versions"]
    assert row["readable"] is False


def test_show_says_split_verdict_thresholds_and_scores_side_by_side(
    run: Run, worse: Path, tmp_path: Path
) -> None:
    trained = TrainedOn(
        dataset="Clinic",
        sha256="f00d",
        n_groups=2,
        n_heldout_groups=2,
        n_shared_groups=2,
        bscans=12,
        iterations=400,
        split="80/20, by image",
    )
    folder = change(
        worse,
        tmp_path / "shown",
        trained_on=trained.model_dump(mode="json"),
        thresholds={"fluid": 0.3125},
    )
    text = run("models", "show", folder).stdout
    assert "  held out  2 patients; 80/20, by image\n" in text
    assert (
        "  warning   split by image (2 patients in both training and held-out data): the scores "
        "are too" in text
    )
    assert (
        "  gate      not promoted: mean foreground Dice 0.612 on the held-out scans, 0.701" in text
    )
    assert "  decides   by thresholds: fluid 0.312; 0.5 for the others\n" in text
    table = [line.split() for line in text.splitlines() if line.startswith("fluid")]
    assert table == [["fluid", "0.701", "0.612", "-0.089", "0.350", "0.306", "-0.044", "4"]]
