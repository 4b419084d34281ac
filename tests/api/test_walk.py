"""The whole way in a notebook, as its user writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan

CODE = """
import napari_retseg as rs

scan = rs.read_scan(IMAGE, spacing_um=(120, 3.9, 11.6))
model = rs.load_model(MODEL)
labels = model.predict(IMAGE)
same = model.predict(scan)
run = rs.train("data/", start=model, output="run", iterations=2, batch_size=2)
scores = run.scores
run.plot()
table = rs.evaluate(run.model, "data/")
rs.show(IMAGE, labels)
"""


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["text", "path", "array", "scan"])
def test_the_code_of_a_notebook_runs(
    kind: str,
    tiny_bundle: Path,
    tiny_dataset: Path,
    volume: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    scan = OctScan(pixels=volume, axes=("bscan", "depth", "width"))
    path = write_scan(tmp_path / "scan.tif", scan)
    image = {"text": "scan.tif", "path": path, "array": volume, "scan": scan}[kind]
    names: dict[str, Any] = {"IMAGE": image, "MODEL": str(tiny_bundle)}
    exec(CODE, names)
    assert names["labels"].shape == volume.shape
    assert np.array_equal(names["labels"], names["same"])
    assert names["table"].loc["mean", "dice"] == pytest.approx(
        names["scores"].loc["mean", "dice"], abs=1e-3
    )
