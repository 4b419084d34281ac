"""A form for a training: the usual choices in sight, the others folded under "More"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError
from napari_retseg.ui.plain import PlainLabel, make_text, make_tip
from napari_retseg.ui.widgets.fields import (
    BudgetField,
    ChoiceField,
    Field,
    FolderField,
    NumberField,
)
from napari_retseg.ui.widgets.pieces import lay_out_column, show_text
from napari_retseg.ui.widgets.section import CollapsibleSection
from napari_retseg.ui.widgets.theme import GAP, TIGHT, ThemedWidget, color_text, read_look

BUDGET = ("minutes", "iterations", "epochs")

_STRATEGIES = {
    "all": "everything",
    "decoder": "decoder only",
    "last-three": "last three layers",
    "head": "head only (fastest)",
    "encoder-stages:2": "all except the first 2 stages",
    "scratch": "from scratch",
}
_LOSSES = {
    "0.5*ce + 0.5*dice": "cross-entropy + Dice",
    "ce": "cross-entropy",
    "dice": "Dice",
    "wce": "weighted cross-entropy",
    "0.5*ce + 0.5*gdice": "CE + generalised Dice",
    "focal": "focal",
    "tversky": "Tversky",
    "lovasz": "Lovász",
}
_AUGMENTS = {
    "oct": "OCT",
    "light": "light",
    "strong": "strong",
    "none": "none",
}
_OPTIMIZERS = {"adamw": "AdamW", "adam": "Adam", "sgd": "SGD"}
_SCHEDULES = {
    "onecycle": "one cycle",
    "constant": "constant",
    "poly": "polynomial",
    "cosine": "cosine",
    "step": "steps",
    "plateau": "reduce on plateau",
}
_CLASS_WEIGHTS = {
    "none": "none",
    "inverse": "inverse frequency",
    "sqrt": "square root of inverse frequency",
    "rank": "by rank",
}
_UNLABELLED = {"auto": "if they help", "off": "not used"}
_CROPS = {"whole": "whole B-scans", "256x256": "256 × 256", "496x256": "496 × 256"}

#: Under "More", in this order, with their names there.
_MORE = {
    "optimizer": "Optimizer",
    "lr": "Learning rate",
    "weight_decay": "Weight decay",
    "schedule": "Schedule",
    "batch_size": "Batch size",
    "crop": "Crop",
    "class_weights": "Class weights",
    "seed": "Seed",
    "unlabelled": "Unlabelled",
    "rehearse_simulated": "Simulated",
    "rehearse": "Rehearsal",
    "rehearse_share": "Rehearsal part",
}
_SHOWN = {"strategy": "Train", "loss": "Loss", "augment": "Augment"}


class TrainForm(ThemedWidget):
    """Shows a training's configuration and takes changes of it.

    Fields of :class:`TrainConfig` that have no widget keep the value that was set.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.theme_changed.connect(self.follow_theme)
        self._values: dict[str, Any] = TrainConfig().model_dump()
        self._errors: dict[str, str] = {}
        self.fields: dict[str, Field] = {
            "strategy": ChoiceField(_STRATEGIES),
            "loss": ChoiceField(_LOSSES),
            "augment": ChoiceField(_AUGMENTS),
            "optimizer": ChoiceField(_OPTIMIZERS, is_open=False),
            "lr": NumberField(float),
            "weight_decay": NumberField(float),
            "schedule": ChoiceField(_SCHEDULES, is_open=False),
            "batch_size": NumberField(int),
            "crop": ChoiceField(_CROPS),
            "class_weights": ChoiceField(_CLASS_WEIGHTS),
            "seed": NumberField(int),
            "unlabelled": ChoiceField(_UNLABELLED, is_open=False),
            "rehearse_simulated": NumberField(float),
            "rehearse": FolderField("a rehearsal dataset"),
            "rehearse_share": NumberField(float),
        }
        self.budget = BudgetField()
        self.error_texts: dict[str, QLabel] = {}
        self._lay_out()
        for field in (*self.fields.values(), self.budget):
            field.changed.connect(self._on_field_changed)
        self.set_values(self._values)

    def _lay_out(self) -> None:
        self.more = CollapsibleSection("More", is_open=False)
        shown, more = QGridLayout(), QGridLayout()
        for grid, names in ((shown, _SHOWN), (more, _MORE)):
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setHorizontalSpacing(GAP)
            grid.setVerticalSpacing(TIGHT)
            grid.setColumnStretch(1, 1)
            for name, title in names.items():
                self._add_row(grid, name, title, self.fields[name])
        self._add_row(shown, "budget", "Budget", self.budget)
        rows = QWidget()
        rows.setLayout(more)
        self.more.add(rows)
        self.form_error = make_text()
        lay_out_column(self, shown, self.more, self.form_error)

    def _add_row(self, grid: QGridLayout, name: str, title: str, field: Field) -> None:
        label = PlainLabel(title)
        label.setBuddy(field.focused)
        tip = make_tip(_describe(name))
        for widget in (label, field):
            widget.setToolTip(tip)
        field.set_name(title)
        error = make_text()
        error.hide()
        self.error_texts[name] = error
        row = grid.rowCount()
        grid.addWidget(label, row, 0)
        grid.addWidget(field, row, 1)
        grid.addWidget(error, row + 1, 0, 1, 2)

    def values(self) -> dict[str, Any]:
        """Return what is entered, valid for :class:`TrainConfig`.

        Raises
        ------
        InputError
            Where something in the form is wrong: its first sentence.
        """
        error = self.error()
        if error:
            raise InputError(error)
        return dict(self._values)

    def error(self) -> str:
        """What is wrong with the form, in one sentence; empty where nothing is."""
        return next(iter(self._errors.values()), "")

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show values by the names of :class:`TrainConfig`; others stay. Emits nothing.

        Raises
        ------
        InputError
            For a name that is no field.
        """
        unknown = sorted(set(values) - set(TrainConfig.model_fields))
        if unknown:
            raise InputError(f"unknown training options: {', '.join(unknown)}")
        self._values.update(values)
        for name, field in self.fields.items():
            field.set_value(self._values[name])
        self.budget.set_value({name: self._values[name] for name in BUDGET})
        self._check()

    def follow_theme(self) -> None:
        """Colour what is wrong."""
        color = read_look(self).error
        for label in (*self.error_texts.values(), self.form_error):
            color_text(label, color)

    def _on_field_changed(self) -> None:
        for name, field in self.fields.items():
            self._values[name] = field.value()
        self._values.update(self.budget.value())
        self._check()
        self.changed.emit()

    def _check(self) -> None:
        """Find what is wrong, and say it below the fields."""
        self._errors = check_values(self._values)
        told: set[str] = set()
        for name, label in self.error_texts.items():
            own = BUDGET if name == "budget" else (name,)
            text = next((self._errors[one] for one in own if one in self._errors), "")
            told.update(own)
            show_text(label, text)
        rest = [text for name, text in self._errors.items() if name not in told]
        show_text(self.form_error, " ".join(rest))
        hidden = sum(name in self._errors for name in _MORE)
        self.more.set_summary(f"⚠ {hidden} to correct" if hidden else "")


def check_values(values: Mapping[str, Any]) -> dict[str, str]:
    """Return for each field what is wrong with its value, in one sentence; "" is the whole form."""
    try:
        TrainConfig.model_validate(values)
    except ValidationError as error:
        found: dict[str, str] = {}
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0]) if detail["loc"] else ""
            found.setdefault(name, _say(name, detail))
        return found
    return {}


def _say(name: str, detail: ErrorDetails) -> str:
    """Say in one sentence what pydantic found."""
    title = {**_SHOWN, **_MORE}.get(name, name.replace("_", " ").capitalize())
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind == "value_error":
        text = str(context["error"])
    elif kind.endswith(("_parsing", "_type")) or kind == "int_from_float":
        whole = "whole " if kind.startswith("int") else ""
        text = f"{title}: enter a {whole}number"
    elif kind == "finite_number":
        text = f"{title}: enter a finite number"
    elif kind in _LIMITS:
        text = f"{title}: enter a number that is {_LIMITS[kind]} {context[_LIMIT_KEYS[kind]]:g}"
    else:
        text = f"{title}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


_LIMITS = {
    "greater_than": "above",
    "greater_than_equal": "at least",
    "less_than": "below",
    "less_than_equal": "at most",
}
_LIMIT_KEYS = {
    "greater_than": "gt",
    "greater_than_equal": "ge",
    "less_than": "lt",
    "less_than_equal": "le",
}


def _describe(name: str) -> str:
    """Return the descriptions of the options behind a row."""
    names = BUDGET if name == "budget" else (name,)
    return "\n".join(f"{one}: {TrainConfig.model_fields[one].description}" for one in names)
