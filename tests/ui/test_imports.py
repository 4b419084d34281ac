from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import napari_retseg.ui

_NAMES = ("torch", "torchvision", "monai", "segmentation_models_pytorch", "timm")

_IMPORT = """
import pkgutil, sys
from importlib import import_module
import napari_retseg.ui
for module in pkgutil.walk_packages(napari_retseg.ui.__path__, "napari_retseg.ui."):
    import_module(module.name)
print(*sys.modules)
"""

_SEGMENT = """
import sys, time
import napari
from qtpy.QtWidgets import QApplication

def main():
    viewer = napari.Viewer()
    viewer.open(sys.argv[1], plugin="napari-retseg")
    _, dock = viewer.window.add_plugin_dock_widget("napari-retseg", "Segment")
    names = [choice.name for choice in dock.segmenter.state.models]
    dock.segmenter.choose_model(names.index("tiny"))
    dock.segmenter.segment_volume()
    while dock.segmenter.state.work is not None:
        QApplication.processEvents()
        time.sleep(0.01)
    assert "eye prediction (tiny)" in viewer.layers
    print(*sys.modules)
    viewer.close()

main()
"""


def _modules_after(code: str, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_importing_the_docks_leaves_torch_out() -> None:
    assert len(list(pkgutil.iter_modules(napari_retseg.ui.__path__))) > 5
    assert _modules_after(_IMPORT).isdisjoint(_NAMES)


def test_a_viewer_that_segments_leaves_torch_out(own_models: Path, volume: Path) -> None:
    modules = _modules_after(_SEGMENT, str(volume))
    assert {"napari", "distributed"} <= modules
    assert modules.isdisjoint(_NAMES)
