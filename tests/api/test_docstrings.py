"""The examples of the public docstrings run as they are written."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import napari_retseg as rs

MODULES = sorted({home.partition(":")[0] for name, home in rs._HOMES.items() if name in rs.__all__})


# a training of two iterations warns of much
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    plt.switch_backend("agg")
    found = doctest.testmod(import_module(module))
    plt.close("all")
    assert found.failed == 0


def test_every_function_has_an_example_and_names_its_errors() -> None:
    functions = [getattr(rs, name) for name in rs.__all__ if name.islower()]
    assert len(functions) == 10
    for function in functions:
        text = function.__doc__ or ""
        for part in ("Parameters\n", "Raises\n", "Examples\n", ">>> "):
            assert part in text, function.__name__
