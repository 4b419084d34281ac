"""The same workbench predicts and trains on the workers of a scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qtpy.QtWidgets import QInputDialog

from tests.remote import Remote
from tests.ui.workbench.clicking import Desk, workers


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    (tmp_path / "elsewhere").mkdir()
    remote = Remote(tmp_path / "elsewhere")
    remote.add_worker()
    yield remote
    remote.close()


def test_a_round_on_workers_elsewhere(
    remote: Remote, desk: Desk, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = remote.address
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: (address, True))
    desk.click(desk.dock.address_button)
    assert desk.state.address == address
    desk.wait(lambda: not workers("predict"))
    desk.segment_all()
    desk.check_prediction(models / "expected.npy")
    desk.confirm(0, 1, 4)
    desk.retrain()
    assert f"the workers of {address}" in desk.dock.retrain_panel.text.text()
    desk.wait(lambda: desk.state.verdict is not None)
    assert desk.iterations == [1, 2, 3, 4]
    desk.click(desk.dock.progress_panel.old_button)
    desk.wait(lambda: desk.state.verdict is None)
    assert not workers("predict")
    assert not workers("train")
