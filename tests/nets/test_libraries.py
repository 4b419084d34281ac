"""Torch's compiler is not imported for a prediction, and works where somebody wants it later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import save_bscan

_CODE = """
import sys
from pathlib import Path
from napari_retseg.config import PredictConfig
from napari_retseg.infer.predict import predict_labels
from napari_retseg.io import read_scan

model, scan = map(Path, sys.argv[1:])
labels = predict_labels(read_scan(scan), model, PredictConfig(device="cpu", precision="fp32"))
assert labels.any()
print([name for name in ("torch._dynamo", "sympy", "triton") if name in sys.modules])
import torch
double = torch.compile(lambda x: 2 * x, backend="eager")
print(double(torch.ones(1)).item(), "torch._dynamo" in sys.modules)
"""


def test_a_prediction_imports_no_compiler(tiny_bundle: Path, tmp_path: Path) -> None:
    # in a process of its own: another test may have imported it
    scan = save_bscan(tmp_path / "scan.png", seed=2)
    command = [sys.executable, "-c", _CODE, str(tiny_bundle), str(scan)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split("\n")[:2] == ["[]", "2.0 True"]
