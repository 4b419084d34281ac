"""Evidence is what a prediction is made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg.config import PredictConfig
from napari_retseg.decode.evidence import Evidence, Placement
from napari_retseg.events import CancelToken, EvidenceFound, Finished
from napari_retseg.infer.evidence import find_evidence
from napari_retseg.infer.predict import load_predictor
from napari_retseg.nets.bundle import Model, load_model
from napari_retseg.scan import OctScan

CONFIG = PredictConfig(device="cpu", precision="fp32")


@pytest.mark.parametrize("size", [None, (32, 32), (96, 64)])
def test_probabilities_lie_where_the_prediction_does(
    tiny_bundle: Path, rng: np.random.Generator, size: tuple[int, int] | None
) -> None:
    model = load_model(tiny_bundle)
    preprocess = model.info.preprocess.model_copy(update={"size": size})
    info = model.info.model_copy(update={"preprocess": preprocess})
    predictor = load_predictor(Model(info, model.network), CONFIG)
    scan = OctScan(rng.integers(0, 255, (3, 48, 70), dtype=np.uint8), ("bscan", "depth", "width"))
    *found, last = find_evidence(scan, predictor, CancelToken(), bscans=[2, 0])
    assert isinstance(last, Finished)
    for event, bscan in zip(found, (2, 0), strict=True):
        assert isinstance(event, EvidenceFound)
        assert event.index == bscan
        evidence = Evidence(
            info.classes, event.probabilities, Placement(*event.rows), Placement(*event.columns)
        )
        ((_, logits),) = predictor.predict_logits(scan, [bscan])
        wanted = logits[0].softmax(dim=0).numpy()
        for k, name in enumerate(info.classes.names):
            shown = evidence.probability(name, (48, 70))
            # logits are interpolated there, probabilities here
            assert np.abs(shown - wanted[k]).mean() < 0.02
            if size is None:
                assert np.abs(shown - wanted[k]).max() < 2e-3


def test_a_cancelled_search_ends_early(tiny_bundle: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    scan = OctScan(np.zeros((3, 48, 70), np.uint8), ("bscan", "depth", "width"))
    events = list(find_evidence(scan, load_predictor(tiny_bundle, CONFIG), cancel))
    assert events == [Finished(cancelled=True, result={"bscans": 0})]
