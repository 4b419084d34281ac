"""Models of other classes than the workspace's: classes are matched by name, and it is said how."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.models import DESCRIPTION, list_versions, read_info
from napari_retseg.ui.workbench.dialogs.choice_window import VersionsWindow
from tests.ui.workbench.safety.clicking import CLASSES, User

#: What each class value of the model "reordered" is in the workspace.
_REORDERED = np.array([0, 3, 1, 2], np.uint8)


def rename(models: Path, name: str, classes: Sequence[str]) -> None:
    """Make a copy of the model "tiny" whose outputs have other names."""
    shutil.copytree(models / "tiny", models / name)
    path = models / name / DESCRIPTION
    content = json.loads(path.read_text())
    content["name"] = name
    content["classes"] = LabelSet.from_names(list(classes)).model_dump(mode="json")
    path.write_text(json.dumps(content))


@pytest.fixture
def renamed(own_copy: Path) -> Path:
    """Models that know the classes in another order, one of them only, and none of them."""
    rename(own_copy, "reordered", ["fluid", "NFL", "INL"])
    rename(own_copy, "partly", ["NFL", "oedema", "drusen"])
    rename(own_copy, "strange", ["iris", "lens", "cornea"])
    return own_copy


@pytest.fixture
def said(models: Path) -> NDArray[np.uint8]:
    """The model's class values of the volume."""
    found: NDArray[np.uint8] = np.load(models / "expected.npy")
    assert set(np.unique(found)) == {0, 1, 2, 3}
    return found


def prediction(user: User) -> NDArray[np.uint8]:
    """The prediction that is seen, which must be the one on disk."""
    shown: NDArray[np.uint8] = user.viewer.layers["prediction"].data
    user.wait_until_saved()
    stored = user.workspace.read_prediction("eye")
    assert stored is not None
    np.testing.assert_array_equal(stored.labels, shown)
    return shown


def test_a_segmentation_maps_by_name_and_says_what_it_leaves_out(
    renamed: Path, at_work: User, said: NDArray[np.uint8]
) -> None:
    at_work.choose_model("reordered")
    at_work.segment()
    np.testing.assert_array_equal(prediction(at_work), _REORDERED[said])
    assert "left out" not in at_work.notice
    at_work.accept_volume()
    at_work.wait_until_saved()
    np.testing.assert_array_equal(at_work.stored(), _REORDERED[said])
    at_work.choose_model("partly")
    at_work.segment()
    np.testing.assert_array_equal(prediction(at_work), np.where(said == 1, 1, 0))
    assert "Classes not in this workspace were left out: oedema, drusen" in at_work.notice
    at_work.choose_model("strange")
    at_work.click(at_work.dock.model_panel.volume_button)
    assert at_work.notice == (
        "strange: this model has no class in common with this workspace (NFL, INL, fluid). Choose "
        "another model, or fine-tune this one on your labels, or add its classes with Classes… "
        "(iris, lens, cornea)"
    )
    np.testing.assert_array_equal(prediction(at_work), np.where(said == 1, 1, 0))
    np.testing.assert_array_equal(at_work.stored(), _REORDERED[said])


@pytest.mark.slow
def test_a_round_from_other_classes_and_the_way_back_by_clicks(
    renamed: Path, at_work: User, said: NDArray[np.uint8]
) -> None:
    rename(renamed, "work", CLASSES)  # the model of an earlier round
    at_work.dock.bench.predicting.refresh_models()
    at_work.confirm(0, 1, 4)
    check_remarks(at_work)
    # so small a step leaves the weights as they are: what changes is the order of the outputs
    at_work.retrain(strategy="head", lr=1e-12, iterations=2, ema=0.0, weight_decay=0.0)
    at_work.wait(lambda: at_work.state.verdict is not None)
    progress = at_work.dock.progress_panel
    assert progress.verdict_text.text().startswith("<b>As good as before")
    at_work.click(progress.new_button)
    at_work.wait(lambda: at_work.state.verdict is None)
    assert at_work.dock.model_panel.model_box.currentText() == "work"
    assert read_info(renamed / "work").classes.names[1:] == CLASSES
    at_work.segment()
    np.testing.assert_array_equal(prediction(at_work), _REORDERED[said])

    at_work.click(at_work.dock.model_panel.history_button)
    window = at_work.find_window(VersionsWindow)
    at_work.click_row(window.list, 0)
    assert not window.take_button.isEnabled()
    at_work.click_row(window.list, 1)
    at_work.click(window.take_button)
    at_work.wait(lambda: "Now using work" in at_work.notice)
    assert [version.label for version in list_versions("work")] == ["current", "0002"]
    at_work.segment()
    np.testing.assert_array_equal(prediction(at_work), said)


def check_remarks(user: User) -> None:
    """Above the Retrain button it says which classes come over from each model."""
    text = user.dock.retrain_panel.text
    for name, remark in (
        ("strange", "Model strange has none of the classes here (NFL, INL and fluid)"),
        ("partly", "NFL starts from partly; INL and fluid start from scratch; oedema and drusen"),
    ):
        user.choose_model(name)
        user.wait(lambda expected=remark: expected in text.text())  # type: ignore[misc]
    user.choose_model("reordered")
    user.wait(lambda: "start from" not in text.text() and "has none" not in text.text())
