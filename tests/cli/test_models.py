"""`models list|show|add|export`."""

from __future__ import annotations

import json
from pathlib import Path

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
    assert set(row) == {"name", "path", "classes", "scores"}
    assert [one["name"] for one in row["classes"]] == ["background", "upper", "lower", "fluid"]
    assert (Path(row["path"]) / "model.json").is_file()


def test_the_starter_is_always_there(run: Run) -> None:
    names = [row["name"] for row in json.loads(run("models", "list", "--json").stdout)]
    assert "starter" in names
    assert "starter" in run("models", "list").stdout


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


def test_show_names_network_and_classes(run: Run, tiny_bundle: Path) -> None:
    text = run("models", "show", tiny_bundle).stdout
    assert "unet with tu-resnet10t" in text
    assert "background, upper, lower, fluid" in text
    about = json.loads(run("models", "show", tiny_bundle, "--json").stdout)
    assert about["path"] == str(tiny_bundle)
    assert about["network"]["in_channels"] == 1


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
