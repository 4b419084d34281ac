from __future__ import annotations

import pkgutil
import subprocess
import sys

import napari_retseg.ui

_CODE = """
import pkgutil, sys
from importlib import import_module
import napari_retseg.ui
for module in pkgutil.iter_modules(napari_retseg.ui.__path__, "napari_retseg.ui."):
    import_module(module.name)
names = ("torch", "torchvision", "monai", "segmentation_models_pytorch", "timm")
print(*[name for name in names if name in sys.modules])
"""


def test_the_viewers_process_never_imports_torch() -> None:
    assert len(list(pkgutil.iter_modules(napari_retseg.ui.__path__))) > 5
    done = subprocess.run(
        [sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == []
