"""``import napari_retseg as rs``: what it offers, and that it costs nothing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import napari_retseg as rs


@pytest.mark.parametrize("name", rs.__all__)
def test_every_name_is_there_and_listed(name: str) -> None:
    assert getattr(rs, name).__doc__
    assert name in dir(rs)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        _ = rs.segment


def test_the_import_loads_nothing() -> None:
    code = "import sys, napari_retseg as rs; dir(rs); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "numpy", "pandas", "matplotlib", "napari", "pydantic", "tqdm"}


def test_tables_name_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(rs.RetsegError, match=r"pip install 'napari-retseg\[notebook\]'"):
        rs.evaluate(np.zeros((4, 4)), np.zeros((4, 4)))
