"""The same workbench predicts and trains on the workers of a scheduler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qtpy.QtWidgets import QInputDialog

from tests.remote import Remote
from tests.ui.workbench.clicking import Clicker, workers


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Remote]:
    (tmp_path / "elsewhere").mkdir()
    remote = Remote(tmp_path / "elsewhere")
    remote.add_worker()
    yield remote
    remote.close()


def test_a_round_on_workers_elsewhere(
    remote: Remote, clicker: Clicker, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = remote.address
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: (address, True))
    clicker.dock.settings_button.address_wanted.emit()
    assert clicker.state.address == address
    clicker.wait(lambda: not workers("predict"))
    clicker.segment_all()
    clicker.check_prediction(models / "expected.npy")
    clicker.confirm(0, 1, 4)
    clicker.retrain()
    assert f"the workers of {address}" in clicker.state.round_text
    clicker.wait(lambda: clicker.state.verdict is not None)
    assert clicker.iterations == [1, 2, 3, 4, 5, 6]  # the last two with unlabelled B-scans
    clicker.click(clicker.dock.progress_panel.old_button)
    clicker.wait(lambda: clicker.state.verdict is None)
    assert not workers("predict")
    assert not workers("train")
