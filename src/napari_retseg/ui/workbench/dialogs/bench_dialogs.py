"""The windows that the workbench opens beside the viewer, and the questions that it asks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QInputDialog, QWidget

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.dataset import Side
from napari_retseg.errors import InputError, ModelError, NotThereError
from napari_retseg.events import SamplesDrawn
from napari_retseg.models import CARD, ModelInfo, Version
from napari_retseg.models.archive import LARGEST_CARD
from napari_retseg.models.description import check_links
from napari_retseg.regular import read_limited
from napari_retseg.ui.widgets.keys import (
    CLASS_KEYS,
    CURVE_KEYS,
    CURVE_MEANINGS,
    CURVE_MOUSE,
    KEYS,
    MAP_HAND,
    MEANINGS,
    POCKET_HAND,
    POINTER_KEYS,
    TOOL_KEYS,
    TOOL_MEANINGS,
)
from napari_retseg.ui.widgets.pieces import ask
from napari_retseg.ui.widgets.text_card import KeysCard, ModelCard
from napari_retseg.ui.workbench.control.controller import Workbench
from napari_retseg.ui.workbench.control.holding import Holding
from napari_retseg.ui.workbench.control.propagating import Offer
from napari_retseg.ui.workbench.control.session import TrustQuestion
from napari_retseg.ui.workbench.dialogs.agreement_window import AgreementWindow
from napari_retseg.ui.workbench.dialogs.augmentations import AugmentPreview
from napari_retseg.ui.workbench.dialogs.choice_window import PointsWindow, VersionsWindow
from napari_retseg.ui.workbench.dialogs.heldout_window import HeldoutWindow
from napari_retseg.ui.workbench.dialogs.propagation_window import PropagationWindow
from napari_retseg.ui.workbench.dialogs.visits_window import VisitsWindow
from napari_retseg.workspace import RestorePoint


class BenchDialogs:
    """Opens windows above the dock.

    Parameters
    ----------
    dock
        Their parent: they go with it.
    bench
        What they show and change.
    """

    def __init__(self, dock: QWidget, bench: Workbench) -> None:
        self._dock = dock
        self._bench = bench
        self.holding = Holding(bench)

    @property
    def classes(self) -> LabelSet:
        """The classes of the open workspace, or those of a new one."""
        workspace = self._bench.session.workspace
        return RETINA if workspace is None else workspace.classes

    def show_keys(self) -> None:
        """Show the card of the keys."""
        rows = [(KEYS[name], MEANINGS[name]) for name in KEYS]
        rows.append((f"{CLASS_KEYS[0]} … {CLASS_KEYS[-1]}", "paint class 1 to 9"))
        tools = [(TOOL_KEYS[name], TOOL_MEANINGS[name]) for name in TOOL_KEYS]
        tools.append(("[ and ]", "smaller or larger brush"))
        curves = [(CURVE_KEYS[name], CURVE_MEANINGS[name]) for name in CURVE_KEYS]
        groups = {
            "In the viewer": rows,
            "Tools": tools,
            "Pockets of fluid": POCKET_HAND,
            "Boundaries": [*curves, *CURVE_MOUSE],
            f"Map ({KEYS['tab measure']})": MAP_HAND,
            f"Pointer by keys ({KEYS['pointer']})": POINTER_KEYS,
        }
        self._show(KeysCard(groups, parent=self._dock))

    def show_card(self) -> None:
        """Show the card of the chosen model."""
        choice = self._bench.state.chosen_model
        if choice is not None:
            self._bench.session.submit(
                partial(read_card, choice.folder), partial(self._open_card, choice.name)
            )

    def _open_card(self, name: str, text: str) -> None:
        self._show(ModelCard(name, text, parent=self._dock))

    def show_preview(self) -> None:
        """Show drawn samples, and draw others on request."""
        preview = AugmentPreview(self.classes, parent=self._dock)
        training = self._bench.training

        def show(drawn: SamplesDrawn) -> None:
            if not preview.is_closed:
                preview.set_samples(list(zip(drawn.images, drawn.labels, strict=True)))

        def fail(text: str) -> None:
            if not preview.is_closed:
                preview.set_notice(text)

        preview.wanted.connect(lambda: training.draw_samples(show, fail))
        self._show(preview)

    def show_points(self) -> None:
        """Show the restore points of the labels."""
        points = self._bench.session.points
        if points is not None:
            self._bench.session.submit(
                lambda: (points.list(), points.list_unreadable()), self._open_points
            )

    def _open_points(self, found: tuple[list[RestorePoint], tuple[str, ...]]) -> None:
        points, unreadable = found
        window = PointsWindow(points, unreadable, parent=self._dock)
        window.chosen.connect(self._bench.correcting.restore)
        self._show(window)

    def show_offer(self, offer: Offer) -> None:
        """Show what Propagate would change, and take the user's choice."""
        window = PropagationWindow(offer.proposals, offer.layers, parent=self._dock)
        window.chosen.connect(partial(self._bench.propagating.apply, offer))
        window.bscan_picked.connect(self._bench.navigation.go_to)
        self._show(window)

    def show_agreement(self, copy: Callable[[str], None]) -> AgreementWindow:
        """Compare two labels layers of the viewer; `copy` puts a table on the clipboard."""
        window = AgreementWindow(self._bench.agreeing, self._dock)
        window.copied.connect(copy)
        self._show(window)
        window.compare()
        return window

    def show_visits(self, copy: Callable[[str], None]) -> VisitsWindow:
        """Compare the open scan with another visit of the eye."""
        bench = self._bench
        window = VisitsWindow(bench.visiting, bench.measuring, bench.state, self._dock)
        window.copied.connect(copy)
        self._show(window)
        return window

    def show_models(self) -> None:
        """Show the earlier models of the workspace's name, and the starter."""
        self._bench.training.list_versions(self._open_models)

    def _open_models(self, versions: list[Version], starter: ModelInfo | None) -> None:
        window = VersionsWindow(versions, starter, parent=self._dock)
        window.chosen.connect(self._bench.training.roll_back)
        self._show(window)

    def show_heldout(self) -> None:
        """Show who is held out, and take the user's choice."""
        self.holding.list_sides(self._open_heldout)

    def _open_heldout(self, sides: tuple[Side, ...]) -> None:
        state = self._bench.state
        window = HeldoutWindow(
            sides,
            n_bscans=state.n_bscans,
            can_change=not state.is_read_only,
            parent=self._dock,
        )
        window.groups_chosen.connect(self.holding.hold_out)
        window.bscans_chosen.connect(self.holding.hold_out_bscans)
        window.names_wanted.connect(self.holding.decide_by_name)
        self._show(window)

    def ask_for_address(self) -> None:
        """Ask where jobs shall run."""
        address, ok = QInputDialog.getText(
            self._dock,
            "Run on another computer",
            "Address of a dask scheduler, for example tcp://host:8786.\nLeave empty to use this "
            "computer.",
            text=self._bench.offered_address,
        )
        if ok:
            self._bench.connect(address.strip())

    def ask_for_trust(self, question: TrustQuestion) -> None:
        """Ask whether an untrusted folder may have scans read elsewhere on this computer."""
        agreed = ask(
            self._dock,
            "Untrusted folder",
            f"Allow {question.folder} to read files outside its folder?",
            f"It names {question.outside}, and possibly more. These files will be shown here, "
            "and labels made on them will be used for training. Allow this only if you know who "
            "made the folder.",
            yes="Allow",
            no="Do not open",
        )
        (question.agree if agreed else question.refuse)()

    def _show(self, window: QWidget) -> None:
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.show()


def read_card(folder: Path) -> str:
    """Read a model's card.

    Raises
    ------
    ModelError
        Where it cannot be read.
    """
    check_links(folder)
    try:
        return read_limited(folder / CARD, LARGEST_CARD).decode(errors="replace")
    except NotThereError:
        return ""
    except InputError as error:
        raise ModelError(str(error)) from error
