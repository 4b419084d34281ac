"""Scores of any two labels layers, kept up to date while they are painted on. Knows no Qt."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_retseg.label_diff import Changes
from napari_retseg.layers import BoundaryErrors
from napari_retseg.livescores import LiveScores, Side
from napari_retseg.plural import count_noun
from napari_retseg.scores import Overlap, Scores
from napari_retseg.ui.comparing import classes_of, find_fault
from napari_retseg.ui.layers import find_bscan, plane, show_bscan
from napari_retseg.ui.scores.heldout_scores import count_heldout, name_models
from napari_retseg.ui.scores.live_boundaries import LiveBoundaries
from napari_retseg.ui.scores.scoring_state import Measure, Scope, ScoringState
from napari_retseg.ui.workbench.control.open_scan import LABELS, PREDICTION
from napari_retseg.ui.workbench.control.strokes import Strokes

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels

    from napari_retseg.ui.workbench.control.controller import Workbench

_WORST = 20


class Scoring:
    """Compares a reference and a prediction, from what strokes change only.

    Parameters
    ----------
    viewer
        Its labels layers can be compared.
    post
        Runs a function on the GUI's thread, soon; called on any thread.
    bench
        The viewer's workbench: its labels and prediction come first, and of these only the
        B-scans with labels count.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        *,
        post: Callable[[Callable[[], None]], None],
        bench: Workbench | None = None,
    ) -> None:
        self.state = ScoringState()
        self._viewer = viewer
        self._post = post
        self._bench: Workbench | None = None
        self._pair: tuple[Labels, Labels] | None = None
        self._strokes: list[Strokes] = []
        self._live: LiveScores | None = None
        self._before: dict[Scope, Overlap | None] = {}
        self._boundaries: LiveBoundaries | None = None
        self._heldout: Scores | None = None
        self._counter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retseg-scores")
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._on_layers)
        viewer.dims.events.current_step.connect(self._on_step)
        self.look_for(bench)
        self._on_layers()

    @property
    def bench(self) -> Workbench | None:
        """The workbench that is followed."""
        return self._bench

    def look_for(self, bench: Workbench | None) -> None:
        """Follow a workbench, too; or no longer the one that was closed."""
        if bench is self._bench:
            return
        self._leave_bench()
        self._bench = bench
        if bench is not None:
            for signal, slot in self._list_connections(bench):
                signal.connect(slot)

    def close(self) -> None:
        """Follow nothing any more."""
        self._leave()
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.disconnect(self._on_layers)
        self._viewer.dims.events.current_step.disconnect(self._on_step)
        self._leave_bench()
        self._counter.shutdown(wait=True)

    def _leave_bench(self) -> None:
        if self._bench is not None:
            for signal, slot in self._list_connections(self._bench):
                signal.disconnect(slot)
        self._bench = None

    def _list_connections(self, bench: Workbench) -> list[tuple[Any, Callable[..., None]]]:
        return [
            (bench.session.changed, self._on_changed),
            (bench.session.written, self._on_written),
            (bench.state.events.strip, self.update),
            (bench.state.events.work, self._on_work),
        ]

    def check(self) -> None:
        """Count what was painted since the last time; called a few times a second."""
        for strokes in self._strokes:
            strokes.check()

    # What the user does.

    def choose(self, *, reference: int, predicted: int) -> None:
        """Compare two of ``state.layers``."""
        layers = self._layers()
        if 0 <= reference < len(layers) and 0 <= predicted < len(layers):
            self._compare(layers[reference], layers[predicted])

    def choose_scope(self, scope: Scope) -> None:
        """Show the scores of this B-scan, this volume or the held-out scans."""
        self.state.scope = scope
        if scope == "heldout":
            self._count_heldout()
        self.update()

    def choose_measure(self, measure: Measure) -> None:
        """Show scores of the classes, or errors of the layers' boundaries."""
        self.state.measure = measure
        self.update()

    def go_to(self, bscan: int) -> None:
        """Show a B-scan of the reference."""
        if self._pair is not None:
            show_bscan(self._pair[0], self._viewer, bscan)

    # How it is kept up to date.

    def update(self) -> None:
        """Show the scores of the scope; from counts, so it takes no time that one would notice."""
        state, live = self.state, self._live
        state.model = self._name_models()
        state.boundaries, state.um_per_px = self._find_boundaries()
        if state.scope == "heldout":
            state.scores, state.before = self._heldout, self._before.get("heldout")
            state.worst = ()
            return
        if live is None:
            state.scores, state.before, state.worst = None, None, ()
            return
        chosen = self._counting()
        bscan = self._current()
        if state.scope == "bscan":
            is_in = chosen is None or bscan in chosen
            state.scores = live.bscan_scores(bscan) if is_in else None
            state.before = None
        else:
            state.scores = live.scores(chosen)
            state.before = self._before.get("volume")
        worst = live.worst(_WORST + (0 if chosen is None else live.n_bscans))
        state.worst = tuple(w for w in worst if chosen is None or w[0] in chosen)[:_WORST]
        state.notice = self._describe(live, chosen)

    def _find_boundaries(self) -> tuple[BoundaryErrors | None, float | None]:
        """Errors of the scope that is shown, and the scale of the open scan."""
        if self.state.measure != "boundaries":
            return None, None
        if self.state.scope == "heldout":
            return None if self._heldout is None else self._heldout.boundaries, None
        live, found = self._live, self._boundaries
        if live is None or found is None:
            return None, None
        chosen = self._counting()
        wanted = range(live.n_bscans) if chosen is None else sorted(chosen)
        if self.state.scope == "bscan":
            wanted = [bscan for bscan in (self._current(),) if bscan in wanted]
        return found.errors(wanted), self._find_scale()

    def _find_scale(self) -> float | None:
        """Axial pixel size of the open scan, where its labels are compared."""
        opened = None if self._bench is None else self._bench.session.opened
        if opened is None or self._pair is None or opened.labels not in self._pair:
            return None
        return opened.loaded.scan.spacing_um[-2]

    def _name_models(self) -> str:
        """Name the models behind a workbench's prediction, of the scope that is shown."""
        bench = self._bench
        opened = None if bench is None else bench.session.opened
        workspace = None if bench is None else bench.session.workspace
        if opened is None or workspace is None or self.state.scope == "heldout":
            return ""
        if self._pair is None or self._pair[1] is not opened.prediction:
            return ""
        found = workspace.predictions(opened.name)
        bscan = self._current()
        chosen = [bscan] if self.state.scope == "bscan" else list(found)
        return name_models(found[b] for b in chosen if b in found)

    def _describe(self, live: LiveScores, chosen: Collection[int] | None) -> str:
        if chosen is not None and not chosen:
            return "No B-scan of this scan has labels yet. Accept a prediction or paint."
        if live.n_counted < live.n_bscans:
            return f"Counted {live.n_counted} of {count_noun(live.n_bscans, 'B-scan')}."
        unknown = {v for values in live.unknown_values.values() for v in values}
        if unknown:
            listed = ", ".join(str(v) for v in sorted(unknown)[:5])
            return f"Label values without a class count as background: {listed}."
        return ""

    def _counting(self) -> Collection[int] | None:
        """B-scans that count: of a workbench's labels those with labels; None: all."""
        bench = self._bench
        opened = None if bench is None else bench.session.opened
        if opened is None or bench is None or self._pair is None:
            return None
        return bench.correcting.states if opened.labels in self._pair else None

    def _layers(self) -> list[Labels]:
        from napari.layers import Labels

        return [layer for layer in self._viewer.layers if isinstance(layer, Labels)]

    def _on_layers(self, _event: Any = None) -> None:
        layers = self._layers()
        pair = self._pair
        if pair is None or not all(layer in layers for layer in pair):
            self._leave()
            pair = self._find_pair(layers)
            if pair is not None:
                self._compare(*pair)
        self._show_layers()

    def _show_layers(self) -> None:
        layers = self._layers()
        self.state.layers = tuple(layer.name for layer in layers)
        pair = self._pair
        self.state.reference = -1 if pair is None else layers.index(pair[0])
        self.state.predicted = -1 if pair is None else layers.index(pair[1])

    def _find_pair(self, layers: list[Labels]) -> tuple[Labels, Labels] | None:
        """Labels and prediction of the workbench, else the only two layers there are."""
        named = {layer.name: layer for layer in layers}
        if LABELS in named and PREDICTION in named:
            return named[LABELS], named[PREDICTION]
        return (layers[-1], layers[-2]) if len(layers) == 2 else None

    def _leave(self) -> None:
        for strokes in self._strokes:
            strokes.close()
        if self._live is not None:
            self._live.clear()  # ends the counting
        if self._boundaries is not None:
            self._boundaries.close()
        self._strokes, self._pair, self._live, self._boundaries = [], None, None, None
        self._before.clear()
        self._heldout = None
        self.update()

    def _compare(self, reference: Labels, predicted: Labels) -> None:
        self._leave()
        fault = find_fault(reference, predicted)
        if fault:
            self.state.notice = fault
            return
        self._pair = (reference, predicted)
        self.state.classes = classes_of(reference)
        self._live = LiveScores(self.state.classes, reference.data.shape)
        self._boundaries = LiveBoundaries.of(
            self.state.classes,
            lambda bscan: (plane(reference.data, bscan), plane(predicted.data, bscan)),
            self._counter,
            tell=lambda: self._post(self.update),
        )
        self._show_layers()
        self._count_now(self._current())
        sides: tuple[tuple[Labels, Side], ...] = (
            (reference, "reference"),
            (predicted, "predicted"),
        )
        self._strokes = [
            Strokes(layer, current=self._current, on_change=partial(self._on_change, side))
            for layer, side in sides
        ]
        self.state.notice = ""
        self._count_rest()

    def _count_now(self, bscan: int) -> None:
        if self._live is not None and self._pair is not None:
            self._live.set_bscan(bscan, *(plane(layer.data, bscan) for layer in self._pair))

    def _count_rest(self) -> None:
        """Count all other B-scans beside the GUI's thread."""
        live, pair = self._live, self._pair
        if live is None or pair is None:
            return
        future = self._counter.submit(live.count_rest, pair[0].data, pair[1].data)
        future.add_done_callback(lambda _: self._post(self.update))

    def _count_heldout(self) -> None:
        workspace = None if self._bench is None else self._bench.session.workspace
        if workspace is None:
            self.state.notice = "Held-out scans belong to a workspace. Open a workspace first."
            return
        future = self._counter.submit(count_heldout, workspace)
        future.add_done_callback(lambda done: self._post(partial(self._show_heldout, done)))

    def _show_heldout(self, done: Any) -> None:
        error = done.exception()
        if error is not None:
            self.state.notice = str(error)
            return
        scores, self.state.notice = done.result()
        self._heldout = scores
        self.update()

    def _on_change(self, side: Side, bscan: int, changes: Changes) -> None:
        """Count a stroke: what it costs depends on the pixels that it changed."""
        live, pair = self._live, self._pair
        if live is None or pair is None:
            return
        other = pair[1] if side == "reference" else pair[0]
        try:
            live.repaint(
                bscan,
                side=side,
                flat=changes.flat,
                before=changes.before,
                after=changes.after,
                other=plane(other.data, bscan),
            )
        except ValueError:  # not counted yet, or both sides have changed at once
            self._count_now(bscan)
        self._measure_again((bscan,))
        self.update()

    def _measure_again(self, bscans: Collection[int]) -> None:
        if self._boundaries is not None:
            self._boundaries.measure_again(bscans)

    def _on_changed(self, bscans: tuple[int, ...]) -> None:
        """Count again what the workbench itself has changed."""
        if self._live is None:
            return
        for strokes in self._strokes:
            strokes.forget(bscans)
        self._measure_again(bscans)
        if len(bscans) == 1:
            self._count_now(bscans[0])
        else:
            self._live.clear()
            self._count_now(self._current())
            self._count_rest()
        self.update()

    def _on_written(self) -> None:
        """Count the held-out scans again, whose labels are read from disk."""
        if self.state.scope == "heldout":
            self._count_heldout()

    def _on_work(self, work: Any) -> None:
        """Remember the scores of the prediction that is about to be replaced."""
        if work is not None and work.done == 0 and self._live is not None:
            chosen = self._counting()
            self._before["volume"] = self._live.scores(chosen)
            self._before["heldout"] = self._heldout
        if work is None and self._bench is not None:
            self._bench.session.submit(lambda: None, lambda _: self.update())  # once it is on disk

    def _on_step(self, _event: Any = None) -> None:
        live = self._live
        if live is None:
            return
        bscan = self._current()
        if not live.is_counted(bscan):
            self._count_now(bscan)
        for strokes in self._strokes:
            strokes.look()
        if self.state.scope == "bscan":
            self.update()

    def _current(self) -> int:
        return 0 if self._pair is None else find_bscan(self._pair[0], self._viewer)
