"""Tab "Model": choose one, see what it is worth, segment with it."""

from __future__ import annotations

from napari_retseg.plural import count_noun
from napari_retseg.ui.dock_state import ModelChoice
from napari_retseg.ui.plain import make_text
from napari_retseg.ui.segment_controls import SegmentControls
from napari_retseg.ui.widgets.keys import KEYS
from napari_retseg.ui.widgets.pieces import lay_out_column, make_button, make_row
from napari_retseg.ui.workbench.control.bench_state import BenchState


class ModelPanel(SegmentControls):
    """Choose a model and segment, with the model's scores and card."""

    def __init__(self, state: BenchState) -> None:
        tip = "Model to segment with; Retrain starts from it"
        super().__init__(state, tip=tip, key=KEYS["segment"])
        self.card_button = make_button(
            "Card", "Show the model card: network, training data and scores"
        )
        self.history_button = make_button("Models…", "Go back to an earlier model")
        self.score_text = make_text()
        self.device_button = make_button(
            "Use device layers",
            "Use the layers between the device's own boundaries as the prediction of all B-scans",
        )
        lay_out_column(
            self,
            self.model_box,
            self.score_text,
            make_row(self.browse_button, self.card_button, self.history_button),
            make_row(self.bscan_button, self.volume_button),
            self.device_button,
            make_row(self.bar, self.cancel_button),
            self.work_text,
        )
        self.model_shown.connect(self._show_model)
        state.events.has_device_layers.connect(self._show_device)
        self._show_models()
        self._show_device(state.has_device_layers)

    def _show_device(self, has_layers: bool) -> None:
        self.device_button.setVisible(has_layers)

    def _show_model(self, choice: ModelChoice | None) -> None:
        self.card_button.setEnabled(choice is not None)
        self.score_text.setText("" if choice is None else describe_scores(choice))


def describe_scores(choice: ModelChoice) -> str:
    """Say in a line what a model is worth, and on what it was measured."""
    info = choice.info
    dice = info.mean_dice
    if dice is None or info.scores is None:
        return f"{count_noun(len(info.classes.foreground), 'class')}; not scored on held-out scans"
    bscans = info.scores["n_bscans"]
    kind = "simulated " if info.trained_on is not None and info.trained_on.simulated else ""
    return f"mean Dice {dice:.3f} on {count_noun(bscans, f'held-out {kind}B-scan')}"
