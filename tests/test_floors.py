"""What an import may load: the lower floors and the faces leave torch alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

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


def _loaded_by(module: str, watched: tuple[str, ...]) -> list[str]:
    code = f"import sys, {module}; print(*[m for m in {watched!r} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.split()


@pytest.mark.parametrize(
    "module",
    [
        *(
            "cli",
            "ui",
            "engine",
            "rounds",
            "workspace",
            "models",
            "dataset",
            "livescores",
            "io",
            "measures",
            "agreement",
        ),
        *(
            "scores",
            "simulate",
            "api",
            "api.arguments",
            "study",
            "study.request",
            "study.execute",
            "study.report",
        ),
    ],
)
def test_no_torch_without_a_job(module: str) -> None:
    assert _loaded_by(f"napari_retseg.{module}", TENSORS) == []


@pytest.mark.parametrize(
    "module",
    [
        "api.model",
        "cli",
        "demo",
        "engine",
        "dataset",
        "io",
        "infer",
        "learn",
        "rounds",
        "study.report",
        "workspace",
    ],
)
def test_no_viewer_outside_the_ui(module: str) -> None:
    assert _loaded_by(f"napari_retseg.{module}", VIEWER) == []


def test_the_commands_load_nothing_heavy_before_one_runs() -> None:
    assert _loaded_by("napari_retseg.cli", HEAVY) == []
