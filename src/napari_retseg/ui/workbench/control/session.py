"""What the workbench's parts share: the open workspace and scan, threads for files and numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from psygnal import Signal

from napari_retseg.engine import Engine
from napari_retseg.errors import OutsideError, RetsegError
from napari_retseg.ui.dock_state import Notice
from napari_retseg.ui.workbench.control.bench_state import BenchState
from napari_retseg.ui.workbench.control.garbage import postpone_collections
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.workspace import Autosaver, RestorePoints, State, Workspace
from napari_retseg.workspace.entry import Plane

if TYPE_CHECKING:
    from napari.components import ViewerModel

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Pixels that the saver holds before it is waited for: an accepted volume of 600 usual B-scans.
_PENDING = 256 * 2**20


@dataclass(frozen=True)
class TrustQuestion:
    """Whether an untrusted folder may read files outside of it.

    Attributes
    ----------
    folder
        What was to be opened or added.
    outside
        The first of those files, as the folder names it.
    agree, refuse
        What to do after the answer.
    """

    folder: Path
    outside: str
    agree: Callable[[], None]
    refuse: Callable[[], None]


class Session:
    """The open workspace and scan, and how work leaves the GUI's thread.

    Parameters
    ----------
    viewer
        Its layers show the open scan.
    engine
        Runs predictions and trainings.
    post
        Runs a function on the GUI's thread, soon; called on any thread.
    """

    #: This program has changed labels or prediction of these B-scans of the open scan.
    changed = Signal(tuple)
    #: Labels of this B-scan of the open scan have changed by a stroke.
    painted = Signal(int)
    #: What the disk holds of labels or predictions has changed, and nothing waits to be written.
    written = Signal()
    #: The user has changed labels: a stroke, an acceptance, a step back.
    edited = Signal()
    #: Another scan is open, or none.
    shown = Signal()
    #: A tool for the canvas is about to be taken in hand; any other is put down.
    tool_taken = Signal(str)
    #: A :class:`TrustQuestion` is to be asked.
    asked = Signal(TrustQuestion)

    def __init__(
        self, viewer: ViewerModel, *, engine: Engine, post: Callable[[Callable[[], None]], None]
    ) -> None:
        self.state = BenchState()
        self.viewer = viewer
        self.engine = engine
        self._post = post
        self._is_closed = False
        self.workspace: Workspace | None = None
        self.points: RestorePoints | None = None
        self.saver: Autosaver | None = None
        self.opened: OpenScan | None = None
        self._files = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retseg-files")
        self._numbers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="retseg-numbers")

    def notify(self, text: str, level: Any = "info") -> None:
        """Show one sentence."""
        self.state.notice = Notice(text, level)

    def run_trusting(
        self,
        folder: Path,
        work: Callable[[bool], T],
        done: Callable[[T], None],
        *,
        trust: bool = False,
    ) -> None:
        """Do work with a folder that may be untrusted, as :meth:`submit` does.

        Parameters
        ----------
        folder
            What is opened or added.
        work
            Told whether files outside of the folder may be read; asks for it with an
            :class:`OutsideError`.
        done
            Called with what comes out.
        trust
            Whether the user has agreed already.
        """

        def attempt() -> T | OutsideError:
            try:
                return work(trust)
            except OutsideError as error:
                if trust:
                    raise
                return error

        def settle(found: T | OutsideError) -> None:
            if isinstance(found, OutsideError):
                self._ask(folder, found, lambda: self.run_trusting(folder, work, done, trust=True))
            else:
                done(found)

        self.submit(attempt, settle)

    def _ask(self, folder: Path, error: OutsideError, agree: Callable[[], None]) -> None:
        def refuse() -> None:
            self.notify(
                f"{folder}: not opened, because it names files outside its folder and you did "
                "not allow reading them.",
                "warning",
            )

        self.notify(str(error), "warning")
        self.asked.emit(TrustQuestion(folder, error.outside, agree, refuse))

    def submit(
        self,
        work: Callable[[], T],
        done: Callable[[T], None] | None = None,
        *,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Do work with files on their thread, one after the other, then `done` on the GUI's.

        What goes wrong is shown in one sentence, and `failed` is called with it. After the end
        nothing is done any more.
        """
        if not self._is_closed:
            self.hand_on(self._files.submit(work), done, failed)

    def compute(
        self,
        work: Callable[[], T],
        done: Callable[[T], None] | None = None,
        *,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Do work that takes seconds and needs no workspace, else as :meth:`submit`.

        Files of the workspace do not wait for it.
        """

        def run() -> T:
            with postpone_collections():
                return work()

        if not self._is_closed:
            self.hand_on(self._numbers.submit(run), done, failed)

    def hand_on(
        self,
        future: Future[T],
        done: Callable[[T], None] | None = None,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Take what comes out of work on another thread, as :meth:`submit` does."""
        future.add_done_callback(partial(self._settle, done, failed))

    def flush_then(
        self,
        work: Callable[[], T],
        done: Callable[[T], None] | None = None,
        *,
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Have the labels written that wait for it, then work with files, as :meth:`submit`."""
        saver = self.saver

        def flush_and_work() -> T:
            if saver is not None:
                saver.flush()
            return work()

        self.submit(flush_and_work, done, failed=failed)

    def save_labels(
        self, name: str, bscan: int, labels: Plane, *, state: State, model: str | None
    ) -> None:
        """Hand a B-scan's labels to the saver, after the work with files that was given before.

        Of a volume with large B-scans it takes no more while many wait for the disk.
        """
        saver = self.saver
        assert saver is not None

        def put() -> None:
            if saver.pending * labels.size > _PENDING:
                saver.flush()
            saver.put(name, bscan, labels, state=state, model=model)

        self.submit(put)

    def find_writable(self) -> Workspace | None:
        """Return the open workspace where it can be changed, and say why where not."""
        if self.workspace is None:
            self.notify("Create or open a workspace first: a folder for labels and models.")
        elif self.workspace.is_read_only:
            self.notify(self.workspace.why_read_only, "warning")
        else:
            return self.workspace
        return None

    def save_settings(self, **settings: str) -> None:
        """Keep settings in the workspace, where it can be changed."""
        workspace = self.workspace
        if workspace is not None and not workspace.is_read_only:
            self.submit(partial(workspace.save_settings, **settings))

    def post(self, function: Callable[[], None]) -> None:
        """Run a function on the GUI's thread, soon, unless the workbench is closed by then."""
        self._post(partial(self._run_open, function))

    def _run_open(self, function: Callable[[], None]) -> None:
        if not self._is_closed:
            function()

    def wait_for_files(self) -> None:
        """Wait until all that was submitted so far is done; not on the GUI's thread."""
        self._files.submit(lambda: None).result()

    def close(self) -> None:
        """End the threads, after what was given to them; nothing is posted any more."""
        self._is_closed = True
        self._files.shutdown(wait=True)
        self._numbers.shutdown(wait=True)

    def _settle(
        self,
        done: Callable[[T], None] | None,
        failed: Callable[[str], None] | None,
        future: Future[T],
    ) -> None:
        error = future.exception()
        if error is not None:
            self.post(partial(self._fail, error, failed))
        elif done is not None:
            self.post(partial(done, future.result()))

    def _fail(self, error: BaseException, failed: Callable[[str], None] | None) -> None:
        if isinstance(error, RetsegError):
            text = str(error)
        else:
            logger.error("unexpected error", exc_info=error)
            text = f"Unexpected error ({type(error).__name__}: {error}); no file was changed."
        self.notify(text, "error")
        if failed is not None:
            failed(text)
