"""A command's prediction imports no more than it needs; the rest works if it is wanted later."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import save_bscan

_CODE = """
import sys
from pathlib import Path
from napari_retseg.headless import declare_headless
if sys.argv[3] == "headless":
    declare_headless()
from napari_retseg.config import PredictConfig
from napari_retseg.infer.predict import predict_labels
from napari_retseg.io import read_scan

model, scan = map(Path, sys.argv[1:3])
labels = predict_labels(read_scan(scan), model, PredictConfig(device="cpu", precision="fp32"))
assert labels.any()
watched = sys.argv[4:]
print(*[name for name in watched if name in sys.modules])
import hashlib, torch
from napari_retseg.config import NetworkConfig
from napari_retseg.nets.build import build_seeded
for encoder in ("tu-resnet10t", "mobilenet_v2", "tu-ghostnet_050"):
    network = build_seeded(NetworkConfig(encoder=encoder, n_classes=3), seed=0).eval()
    digest = hashlib.sha256(repr(list(network.state_dict())).encode())
    with torch.inference_mode():
        digest.update(network(torch.ones(1, 1, 32, 32)).numpy().tobytes())
    print(encoder, digest.hexdigest())
double = torch.compile(lambda x: 2 * x, backend="eager")
print(double(torch.ones(1)).item(), "torch._dynamo" in sys.modules)
"""


def test_a_prediction_without_a_viewer_imports_less_and_builds_the_same_networks(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    # in processes of their own: another test may have imported all
    scan = save_bscan(tmp_path / "scan.png", seed=2)
    watched = ("torch._dynamo", "sympy", "triton", "timm.models.ghostnet", "torchvision.datasets")
    told = {}
    for kind in ("headless", "viewer"):
        command = [sys.executable, "-c", _CODE, str(tiny_bundle), str(scan), kind, *watched]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        told[kind] = found.stdout.splitlines()
    assert (told["headless"][0], told["viewer"][0]) == ("", " ".join(watched))
    assert told["headless"][1:] == told["viewer"][1:]
    assert len(told["headless"]) == 5
    assert told["headless"][-1] == "2.0 True"


@pytest.mark.parametrize(
    ("own", "kept"),
    [("", "1000 None"), ("OMP_WAIT_POLICY", "None ACTIVE"), ("GOMP_SPINCOUNT", "7 None")],
)
def test_threads_that_wait_leave_the_core_unless_the_user_says_how(own: str, kept: str) -> None:
    code = (
        "import os; from napari_retseg.headless import declare_headless; declare_headless();"
        "print(*map(os.environ.get, ('GOMP_SPINCOUNT', 'OMP_WAIT_POLICY')))"
    )
    settings = {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "7"}
    env = {name: value for name, value in os.environ.items() if name not in settings}
    env |= {own: settings[own]} if own else {}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert found.stdout.strip() == kept


def test_imports_without_a_viewer_look_for_no_garbage() -> None:
    code = (
        "import gc; from napari_retseg.headless import declare_headless, importing\n"
        "def look():\n"
        "    with importing(): inside = gc.isenabled()\n"
        "    return inside, gc.isenabled(), gc.get_freeze_count() > 0\n"
        "print(look()); declare_headless(); print(look()); gc.disable(); print(look()[1])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    told = ["(True, True, False)", "(False, True, True)", "False"]
    assert found.stdout.splitlines() == told
