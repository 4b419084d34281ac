"""What an import may load: the lower floors and the faces leave torch alone."""

from __future__ import annotations

import subprocess
import sys

TENSORS = ("torch", "torchvision", "monai", "segmentation_models_pytorch")
VIEWER = ("napari", "qtpy", "magicgui", "superqt", "PyQt6")
#: What makes `--help` slow.
HEAVY = (
    *TENSORS,
    *VIEWER,
    "distributed",
    "nibabel",
    "scipy",
    "skimage",
    "numpy",
    "rich",
    "matplotlib",
)


#: Packages that work without torch until a job runs.
WITHOUT_TENSORS = (
    "cli",
    "ui",
    "engine",
    "engine.spread",
    "rounds",
    "workspace",
    "models",
    "dataset",
    "livescores",
    "io",
    "measures",
    "agreement",
    "scores",
    "simulate",
    "api",
    "api.arguments",
    "infer.exported",
    "study",
    "study.request",
    "study.execute",
    "study.report",
)
#: Packages that may run in a process without a screen.
WITHOUT_VIEWER = (
    "cli",
    "engine",
    "dataset",
    "io",
    "workspace",
    "rounds",
    "study.report",
    "infer",
    "learn",
    "api.model",
    "demo",
)
#: Imports modules one after the other; names those by which something watched was loaded first.
_PROBE = """
import importlib, sys
names, watched = {names!r}, {watched!r}
for name in names:
    importlib.import_module(name)
    print(name, *(one for one in watched if one in sys.modules), sep=",")
    watched = [one for one in watched if one not in sys.modules]
"""


def _list_loaded(names: tuple[str, ...], watched: tuple[str, ...]) -> dict[str, list[str]]:
    """Import in one new process; by module, what it has loaded of the watched, where it has."""
    full = tuple(f"napari_retseg.{name}" for name in names)
    code = _PROBE.format(names=full, watched=watched)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    found = dict(line.split(",", 1) for line in done.stdout.splitlines() if "," in line)
    assert len(done.stdout.splitlines()) == len(names)
    return {name: loaded.split(",") for name, loaded in found.items()}


def test_no_torch_without_a_job() -> None:
    assert _list_loaded(WITHOUT_TENSORS, TENSORS) == {}


def test_no_viewer_outside_the_ui() -> None:
    assert _list_loaded(WITHOUT_VIEWER, VIEWER) == {}


def test_the_first_that_loads_something_would_be_named() -> None:
    found = _list_loaded(("plural", "io", "scores"), ("torch", "tifffile"))
    assert found == {"napari_retseg.io": ["tifffile"]}


def test_the_commands_load_nothing_heavy_before_one_runs() -> None:
    assert _list_loaded(("cli",), HEAVY) == {}


def test_a_prediction_loads_no_more_than_it_needs_before_its_first_bscan() -> None:
    modules = ("cli.batch", "cli.labeller", "cli.listing", "cli.reporting", "infer.predict")
    watched = (*TENSORS, "nibabel", "pydicom", "scipy.ndimage", "distributed")
    assert _list_loaded(modules, watched) == {}
