"""The form: what it shows of a configuration, what it gives, and what it says of mistakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QFileDialog, QWidget

from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError
from napari_retseg.ui.widgets.fields import ChoiceField, FolderField, NumberField
from napari_retseg.ui.workbench.panels.train_form import TrainForm

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

Theme = Callable[[QWidget, str], None]

LEFT = Qt.MouseButton.LeftButton
#: A configuration that differs from the defaults in all that the form shows, and in more.
OTHER: dict[str, Any] = {
    "strategy": "encoder-stages:3",
    "loss": "0.3*ce + 0.7*focal(gamma=3)",
    "augment": "oct,elastic=0.02",
    "minutes": 2.55,
    "optimizer": "sgd",
    "lr": 3e-05,
    "weight_decay": 0.123456789,
    "schedule": "poly",
    "batch_size": 7,
    "crop": "128x96",
    "class_weights": "0.2,1,1",
    "seed": 42,
    "rehearse": "/data/older",
    "rehearse_share": 0.4,
    "momentum": 0.5,
    "score_every": 10,
}


@pytest.fixture
def form(qtbot: QtBot) -> TrainForm:
    form = TrainForm()
    qtbot.addWidget(form)
    form.resize(284, 600)
    form.more.set_open(True)
    form.show()
    return form


def choice(form: TrainForm, name: str) -> ChoiceField:
    field = form.fields[name]
    assert isinstance(field, ChoiceField)
    return field


def number(form: TrainForm, name: str) -> NumberField:
    field = form.fields[name]
    assert isinstance(field, NumberField)
    return field


def write(qtbot: QtBot, edit: Any, text: str) -> None:
    edit.selectAll()
    qtbot.keyClicks(edit, text)


def test_a_new_form_is_the_default(form: TrainForm) -> None:
    assert TrainConfig(**form.values()) == TrainConfig()
    assert form.error() == ""


def test_values_come_back_as_they_were_set(form: TrainForm, qtbot: QtBot) -> None:
    with qtbot.assertNotEmitted(form.changed):
        form.set_values(OTHER)
    assert TrainConfig(**form.values()) == TrainConfig(**OTHER)
    # an edit elsewhere reads all fields anew
    write(qtbot, number(form, "seed").edit, "43")
    assert TrainConfig(**form.values()) == TrainConfig(**{**OTHER, "seed": 43})


NUMBERS = st.floats(1e-8, 10, allow_nan=False)


@given(lr=NUMBERS, weight_decay=NUMBERS, minutes=st.floats(0, 500), seed=st.integers(0, 2**31))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_numbers_are_exact_after_an_edit_of_another_field(
    form: TrainForm, lr: float, weight_decay: float, minutes: float, seed: int
) -> None:
    values = {"lr": lr, "weight_decay": weight_decay, "minutes": minutes, "seed": seed}
    form.set_values(values)
    form.fields["strategy"].changed.emit()
    assert TrainConfig(**form.values()) == TrainConfig(**values)


def test_choices_are_made_by_keys_and_told(form: TrainForm, qtbot: QtBot) -> None:
    box = choice(form, "strategy").box
    with qtbot.waitSignal(form.changed):
        qtbot.keyClick(box, Qt.Key.Key_Down)
    assert form.values()["strategy"] == "decoder"
    assert box.currentText() == "decoder only"


def test_other_takes_the_command_lines_text(form: TrainForm, qtbot: QtBot) -> None:
    field = choice(form, "loss")
    assert not field.edit.isVisible()
    qtbot.keyClick(field.box, Qt.Key.Key_End)
    assert field.edit.isVisible()
    # it begins with a text that is valid
    assert form.values()["loss"]
    write(qtbot, field.edit, "ce + lovasz")
    assert form.values()["loss"] == "ce + lovasz"
    qtbot.keyClick(field.box, Qt.Key.Key_Home)
    assert not field.edit.isVisible()
    assert form.values()["loss"] == "0.5*ce + 0.5*dice"


def test_a_wrong_text_is_explained_below_its_field(form: TrainForm, qtbot: QtBot) -> None:
    form.set_values({"augment": "oct,elastic=0.02"})
    with qtbot.waitSignal(form.changed):
        write(qtbot, choice(form, "augment").edit, "oct,wobble=1")
    text = form.error_texts["augment"]
    assert text.isVisible()
    assert text.text().startswith("Unknown augmentation 'wobble'; choose from flip, ")
    assert text.text().endswith(".")
    assert form.error() == text.text()
    with pytest.raises(InputError, match="wobble"):
        form.values()
    write(qtbot, choice(form, "augment").edit, "light")
    assert not text.isVisible()
    assert form.values()["augment"] == "light"


@pytest.mark.parametrize(
    ("name", "entered", "told"),
    [
        ("lr", "0", "Learning rate: enter a number that is above 0."),
        ("lr", "fast", "Learning rate: enter a number."),
        ("lr", "", "Learning rate: enter a number."),
        ("batch_size", "0", "Batch size: enter a number that is at least 1."),
        ("batch_size", "2.5", "Batch size: enter a whole number."),
        ("weight_decay", "inf", "Weight decay: enter a number that is at most 1e+09."),
        ("rehearse_share", "1", "Rehearsal part: enter a number that is below 1."),
    ],
)
def test_a_wrong_number_is_explained(
    form: TrainForm, qtbot: QtBot, name: str, entered: str, told: str
) -> None:
    edit = number(form, name).edit
    edit.selectAll()
    qtbot.keyClick(edit, Qt.Key.Key_Delete)
    qtbot.keyClicks(edit, entered)
    assert form.error_texts[name].text() == told
    assert "1 to correct" in form.more.header.toolTip()


def test_numbers_are_taken_as_people_write_them(form: TrainForm, qtbot: QtBot) -> None:
    for text, value in (("1e-4", 1e-4), ("0,002", 0.002), (" .5 ", 0.5)):
        write(qtbot, number(form, "lr").edit, text)
        assert form.values()["lr"] == value


def test_crop_and_class_weights_are_checked(form: TrainForm, qtbot: QtBot) -> None:
    form.set_values({"crop": "64x64", "class_weights": "0.2,1"})
    write(qtbot, choice(form, "crop").edit, "64 by 64")
    assert "DEPTHxWIDTH" in form.error_texts["crop"].text()
    write(qtbot, choice(form, "class_weights").edit, "a lot")
    assert "one number for each class" in form.error_texts["class_weights"].text()
    assert "2 to correct" in form.more.header.toolTip()


def test_what_fits_no_field_is_told_below_the_form(form: TrainForm) -> None:
    form.set_values({"arch": "dynunet", "dims": "2"})
    assert form.form_error.isVisible()
    assert form.error() == "Dynunet is a 3D network; add --dims 3." or "3D" in form.error()
    form.set_values({"arch": "auto", "dims": "auto"})
    assert not form.form_error.isVisible()


def test_budget_is_one_of_three_or_follows_the_labels(form: TrainForm, qtbot: QtBot) -> None:
    budget = form.budget
    assert budget.unit.currentText() == "automatic"
    assert isinstance(budget.focused, QComboBox)
    assert not budget.number.isVisible()
    qtbot.keyClick(budget.unit, Qt.Key.Key_Down)
    assert budget.number.isVisible()
    assert isinstance(budget.focused, QDoubleSpinBox)
    assert (form.values()["minutes"], form.values()["iterations"]) == (10, 0)
    budget.number.selectAll()
    qtbot.keyClicks(budget.number, "2.5")
    assert form.values()["minutes"] == 2.5
    qtbot.keyClick(budget.unit, Qt.Key.Key_End)
    assert (form.values()["minutes"], form.values()["epochs"]) == (0, 20)
    qtbot.keyClick(budget.unit, Qt.Key.Key_Up)
    assert (form.values()["epochs"], form.values()["iterations"]) == (0, 300)
    qtbot.keyClick(budget.number, Qt.Key.Key_Up)
    assert form.values()["iterations"] == 400
    qtbot.keyClick(budget.unit, Qt.Key.Key_Home)
    assert TrainConfig(**form.values()) == TrainConfig()


def test_a_budget_cannot_be_nothing(form: TrainForm, qtbot: QtBot) -> None:
    form.set_values({"minutes": 5.0})
    form.budget.number.selectAll()
    qtbot.keyClicks(form.budget.number, "0")
    qtbot.keyClick(form.budget.number, Qt.Key.Key_Return)
    assert form.values()["minutes"] == 0.1


def test_unknown_names_are_refused(form: TrainForm) -> None:
    with pytest.raises(InputError, match="speed"):
        form.set_values({"speed": 3})


def test_an_older_data_set_is_browsed_for(
    form: TrainForm, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = form.fields["rehearse"]
    assert isinstance(field, FolderField)
    answers = ["/data/older", ""]
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: answers.pop(0))
    for _ in range(2):
        qtbot.mouseClick(field.button, LEFT)
    assert form.values()["rehearse"] == "/data/older"
    field.edit.clear()
    assert form.values()["rehearse"] == ""


def test_the_wheel_does_not_change_a_field_that_it_passes(form: TrainForm) -> None:
    for widget in (choice(form, "strategy").box, form.budget.number):
        widget.clearFocus()
        middle = QPointF(widget.rect().center())
        turn = QWheelEvent(
            middle,
            widget.mapToGlobal(middle),
            QPoint(0, 0),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(widget, turn)
    assert TrainConfig(**form.values()) == TrainConfig()


def test_rows_have_tooltips_from_the_options(form: TrainForm) -> None:
    assert str(TrainConfig.model_fields["lr"].description) in form.fields["lr"].toolTip()
    assert "Training time in minutes" in form.budget.toolTip()


@pytest.mark.parametrize("name", ["dark", "light"])
def test_it_fits_a_narrow_dock(form: TrainForm, qtbot: QtBot, theme: Theme, name: str) -> None:
    theme(form, name)
    form.set_values(OTHER)
    # a dock of 300 pixels, less the section's margins and a scroll bar
    assert form.minimumSizeHint().width() <= 300 - 16 - 13
    box = form.budget.unit
    assert box.width() >= box.fontMetrics().horizontalAdvance("iterations") + 26
    form.set_values({"minutes": 0.0, "iterations": 0, "epochs": 0})
    assert box.currentText() == "automatic"
    assert form.minimumSizeHint().width() <= 300 - 16 - 13


def test_more_is_folded_until_it_is_opened(qtbot: QtBot) -> None:
    form = TrainForm()
    qtbot.addWidget(form)
    form.show()
    assert form.fields["strategy"].isVisible()
    assert not form.fields["lr"].isVisible()
    qtbot.mouseClick(form.more.header, LEFT)
    assert form.fields["lr"].isVisible()


def test_keys_reach_all_fields_in_order(form: TrainForm, qtbot: QtBot) -> None:
    form.set_values({"iterations": 40})
    form.activateWindow()
    start = choice(form, "strategy").box
    start.setFocus()
    seen: list[QWidget | None] = [form.focusWidget()]
    for _ in range(6):
        qtbot.keyClick(form.focusWidget(), Qt.Key.Key_Tab)
        seen.append(form.focusWidget())
    assert seen[:6] == [
        start,
        choice(form, "loss").box,
        choice(form, "augment").box,
        form.budget.number,
        form.budget.unit,
        form.more.header,
    ]
