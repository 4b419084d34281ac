"""What each button of the workbench does: from the panels to the controller."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_retseg.classes import IGNORE
from napari_retseg.ui.squares import connect_square_button
from napari_retseg.ui.widgets.keys import CURVE_KEYS, KEYS, TOOL_KEYS
from napari_retseg.ui.workbench.control.correcting import DRAWING
from napari_retseg.ui.workbench.panels.tool_icons import (
    DrawTool,
    draw_brush,
    draw_curves,
    draw_eraser,
    draw_fill,
    draw_left_out,
    draw_move,
    draw_pocket,
    draw_polygon,
)
from napari_retseg.ui.workbench.panels.tool_row import Tool

if TYPE_CHECKING:
    from napari_retseg.ui.workbench.control.controller import Workbench
    from napari_retseg.ui.workbench.workbench_dock import WorkbenchDock

#: napari's own tools: mode, title, what it does, picture.
_NAPARI_TOOLS: tuple[tuple[str, str, str, DrawTool], ...] = (
    ("pan_zoom", "Move", "move and zoom", draw_move),
    ("paint", "Brush", "paint the chosen class", draw_brush),
    ("erase", "Eraser", "remove labels", draw_eraser),
    ("fill", "Fill", "fill an area with the chosen class", draw_fill),
    ("polygon", "Polygon", "fill an outline with the chosen class", draw_polygon),
)


def list_tools(bench: Workbench) -> list[Tool]:
    """Return the row of tools: one entry each."""
    state, tools = bench.state, bench.tools

    def is_in_hand(mode: str) -> bool:
        return state.mode == mode and not (state.shows_curves or state.takes_pockets)

    found = [
        Tool(
            mode,
            title,
            TOOL_KEYS[mode],
            tip,
            draw,
            take=partial(tools.take, mode),
            is_on=partial(is_in_hand, mode),
        )
        for mode, title, tip, draw in _NAPARI_TOOLS
    ]
    left_out = Tool(
        "ignore",
        "Leave out",
        KEYS["ignore"],
        'paint "not annotated": not used for training or scores',
        draw_left_out,
        take=bench.correcting.paint_not_annotated,
        is_on=lambda: state.picked == IGNORE and state.mode in DRAWING,
    )
    curves = Tool(
        "curves",
        "Boundaries",
        CURVE_KEYS["curves"],
        "drag the boundaries of the layers",
        draw_curves,
        take=bench.curves.toggle,
        is_on=lambda: state.shows_curves,
        is_named=True,
    )
    pocket = Tool(
        "pocket",
        "Pocket",
        KEYS["pocket"],
        "click a pocket of fluid, or draw around it; click a labelled one to remove it",
        draw_pocket,
        take=bench.pockets.toggle,
        is_on=lambda: state.takes_pockets,
        is_named=True,
    )
    return [curves, pocket, *found, left_out]


def connect_panels(dock: WorkbenchDock) -> None:
    """Connect what the panels emit."""
    _connect_scan_and_model(dock)
    _connect_review(dock)
    _connect_training(dock)


def _connect_scan_and_model(dock: WorkbenchDock) -> None:
    bench, scan, model, dialogs = dock.bench, dock.scan_panel, dock.model_panel, dock.dialogs
    scan.created.connect(bench.create)
    scan.opened.connect(bench.open)
    scan.located.connect(bench.scan_import.locate)
    scan.files_added.connect(bench.scan_import.add_files)
    scan.scan_chosen.connect(bench.navigation.choose_scan)
    scan.dataset_added.connect(bench.scan_import.add_dataset)
    scan.classes_given.connect(bench.scan_import.set_classes)
    scan.described.connect(lambda what: bench.scan_import.describe(**what))
    model.model_chosen.connect(bench.predicting.choose_model)
    model.model_browsed.connect(bench.predicting.add_model)
    model.card_button.clicked.connect(dialogs.show_card)
    model.history_button.clicked.connect(dialogs.show_models)
    model.bscan_button.clicked.connect(bench.predicting.segment_bscan)
    model.volume_button.clicked.connect(bench.predicting.segment_volume)
    model.device_button.clicked.connect(bench.from_device.take)
    model.cancel_button.clicked.connect(bench.predicting.cancel)


def _connect_review(dock: WorkbenchDock) -> None:
    bench, review, correcting = dock.bench, dock.review_panel, dock.bench.correcting
    dock.strip_panel.strip.bscan_clicked.connect(bench.navigation.go_to)
    events = bench.state.events
    review.tool_row.set_tools(list_tools(bench), follow=(events.shows_curves, events.takes_pockets))
    review.tool_row.brush_slider.valueChanged.connect(bench.tools.set_brush)
    review.accept_button.clicked.connect(correcting.accept_bscan)
    review.accept_volume_pressed.connect(correcting.accept_volume)
    review.accept_class_chosen.connect(correcting.accept_class)
    review.confirm_button.clicked.connect(correcting.confirm)
    review.next_button.clicked.connect(bench.navigation.go_next)
    review.clear_button.clicked.connect(correcting.clear)
    review.undo_button.clicked.connect(correcting.undo)
    review.redo_button.clicked.connect(correcting.redo)
    review.toggle_button.clicked.connect(correcting.toggle_prediction)
    review.uncertainty_button.toggled.connect(bench.navigation.show_uncertainty)
    review.restore_button.clicked.connect(dock.dialogs.show_points)
    review.propagate_button.clicked.connect(bench.propagating.look)
    bench.propagating.offered.connect(dock.dialogs.show_offer)
    review.legend.class_picked.connect(correcting.paint_class)
    review.legend.hiding_toggled.connect(correcting.hide_class)
    review.legend.solo_toggled.connect(correcting.show_class_alone)
    connect_square_button(review.square_button, dock.viewer)


def _connect_training(dock: WorkbenchDock) -> None:
    retrain, progress, training = dock.retrain_panel, dock.progress_panel, dock.bench.training
    retrain.retrain_button.clicked.connect(training.retrain)
    retrain.stop_button.clicked.connect(training.stop)
    retrain.resume_button.clicked.connect(training.resume)
    retrain.preview_button.clicked.connect(dock.dialogs.show_preview)
    retrain.heldout_button.clicked.connect(dock.dialogs.show_heldout)
    progress.new_button.clicked.connect(training.keep_new)
    progress.old_button.clicked.connect(training.keep_old)
