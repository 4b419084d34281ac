"""A screen, a tiny model and tiny scans for the tests of the viewer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from qtpy.QtGui import QCursor
from qtpy.QtWidgets import QApplication

from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan

SHAPE = (5, 64, 96)

_LEAVE_SECONDS = 10.0
#: Two idle threads that dask keeps for the life of a process.
_DASKS_OWN = ("Dask-Offload", "Dask-Callback")


def _start_screen() -> subprocess.Popen[bytes] | None:
    """Start a virtual screen where there is none: napari's canvas needs OpenGL.

    Tests that run side by side have one each: on a shared screen the window of one takes focus
    and pointer from the window of another.
    """
    is_alone = "PYTEST_XDIST_WORKER" not in os.environ
    if not sys.platform.startswith("linux") or (is_alone and os.environ.get("DISPLAY")):
        return None
    if shutil.which("Xvfb") is None:
        if "DISPLAY" not in os.environ:
            os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        return None
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1200x24"]
    screen = subprocess.Popen(
        command, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(writing)
    with os.fdopen(reading) as number:
        os.environ["DISPLAY"] = f":{number.readline().strip()}"
    return screen


_screen = _start_screen()


def pytest_sessionfinish() -> None:
    if _screen is not None:
        _screen.terminate()
        _screen.wait()


@pytest.fixture(scope="module", autouse=True)
def disk() -> None:
    """Wait for the disk: the viewer may not, and time is measured here."""


@pytest.fixture(scope="session", autouse=True)
def _still_mouse(qapp: QApplication) -> None:
    """Put the screen's own pointer where no window is: tests send their own events."""
    screen = qapp.primaryScreen()
    if screen is not None:
        QCursor.setPos(screen.geometry().bottomRight())


#: Makes models without training, and what one says about the volume; no torch in this process.
_MAKE_MODEL = """
import sys
from pathlib import Path
import numpy as np
from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.infer.predict import predict_labels
from napari_retseg.io import read_scan
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import save_model

folder, volume = map(Path, sys.argv[1:])
for name, channels in (("tiny", 1), ("colour", 3)):
    network = NetworkConfig(
        encoder="tu-resnet10t", in_channels=channels, n_classes=4,
        options={"encoder_depth": 3, "decoder_channels": [16, 8, 8]},
    )
    info = ModelInfo(
        name=name, network=network, classes=LabelSet.from_names(["NFL", "INL", "fluid"]),
        preprocess=PreprocessConfig(),
    )
    save_model(folder / name, build_seeded(network, seed=3), info)
np.save(folder / "expected.npy", predict_labels(read_scan(volume), folder / "tiny"))
"""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread in the processes started from here; this one has no torch."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TIFF of five B-scans with a scale."""
    pixels = np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8)
    pixels[:, 20:40] //= 4
    scan = OctScan(
        pixels=pixels,
        axes=("bscan", "depth", "width"),
        spacing_um=(120.0, 3.5, 25.0),
        spacing_source="file",
    )
    return write_scan(tmp_path_factory.mktemp("scans") / "eye.tif", scan)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory, volume: Path) -> Path:
    """A folder with the models ``tiny`` and ``colour``, and tiny's labels of the volume."""
    folder = tmp_path_factory.mktemp("models")
    command = [sys.executable, "-c", _MAKE_MODEL, str(folder), str(volume)]
    subprocess.run(command, check=True, timeout=120)
    return folder


@pytest.fixture
def own_models(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models as the user's own."""
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(models))
    return models


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Fail a test after which a thread or a process still runs."""
    this = psutil.Process()
    threads, processes = set(threading.enumerate()), set(this.children(recursive=True))
    yield
    deadline = time.monotonic() + _LEAVE_SECONDS
    while True:
        left: list[object] = [p for p in this.children(recursive=True) if p not in processes]
        left += [
            thread
            for thread in set(threading.enumerate()) - threads
            if not thread.name.startswith(_DASKS_OWN)
        ]
        if not left:
            return
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)
