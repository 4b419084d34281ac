"""A model without torch gives the labels that it gives with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PredictConfig, PreprocessConfig, Runtime
from napari_retseg.errors import ModelError, RetsegError, UsageError
from napari_retseg.events import BscanPredicted
from napari_retseg.infer.export import export_onnx
from napari_retseg.infer.exported import ExportedPredictor
from napari_retseg.infer.predict import open_predictor, predict
from napari_retseg.models import ModelInfo, read_info
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import Model, load_model, save_model
from napari_retseg.scan import OctScan
from napari_retseg.simulate import SimulatorConfig, draw_volume

EXACT: dict[str, Any] = {"device": "cpu", "precision": "fp32"}
RUNTIMES: tuple[Runtime, ...] = ("onnx", "openvino")
CLASSES = LabelSet.from_names(["NFL", "GCL-IPL", "INL", "fluid"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small network of two channels, with weights that are random."""
    folder = tmp_path_factory.mktemp("bundle")
    options: dict[str, int | list[int]] = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
    network = NetworkConfig(
        encoder="tu-test_resnet", in_channels=3, n_classes=len(CLASSES), options={**options}
    )
    preprocess = PreprocessConfig(neighbours=3)
    info = ModelInfo(name="patient", network=network, classes=CLASSES, preprocess=preprocess)
    save_model(folder, let_all_win(build_seeded(network, 0)), info)
    return folder


def let_all_win(network: torch.nn.Module) -> torch.nn.Module:
    """Let each class win somewhere, and the layers more often than the background."""
    head = network.get_submodule("segmentation_head.0")
    with torch.no_grad():
        head.get_parameter("weight").mul_(20)
        logits = network.eval()(torch.rand(1, 3, 64, 96, generator=torch.manual_seed(0)))
        head.get_parameter("bias").sub_(logits.mean(dim=(0, 2, 3)))
        head.get_parameter("bias")[0] -= 0.5
    return network


@pytest.fixture(scope="module")
def exported(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as ONNX."""
    folder = tmp_path_factory.mktemp("exported") / "shared"
    export_onnx(bundle, folder)
    return folder


@pytest.fixture(scope="module")
def scan() -> OctScan:
    """A simulated volume of a size that is no multiple of anything."""
    config = SimulatorConfig(size=(75, 101), n_bscans=4)
    return draw_volume(config, 0).scan


def with_input(folder: Path, copy: Path, preprocess: PreprocessConfig) -> Path:
    """Copy a model, and let it take its input in another way."""
    shutil.copytree(folder, copy)
    info = read_info(folder).model_copy(update={"preprocess": preprocess})
    (copy / "model.json").write_text(info.model_dump_json())
    return copy


def label(scan: OctScan, model: Any, config: PredictConfig) -> list[BscanPredicted]:
    return [one for one in predict(scan, model, config) if isinstance(one, BscanPredicted)]


def find_margin(scan: OctScan, model: Model, config: PredictConfig) -> NDArray[np.floating[Any]]:
    """How far the two most probable classes of each pixel lie apart, by torch."""
    predictor = open_predictor(model, config)
    planes = [x for _, x in predictor.predict_logits(scan, range(scan.n_bscans))]
    found = np.concatenate([plane.float().softmax(dim=1).numpy() for plane in planes])
    best = np.sort(found, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("preprocess", "options"),
    [
        (PreprocessConfig(neighbours=3), {"tta": True, "uncertainty": True}),
        (PreprocessConfig(neighbours=3, size=(64, 80), normalise="z-score"), {"batch_size": 3}),
        (PreprocessConfig(neighbours=3, every=2, fit=(32, 64)), {}),
        (PreprocessConfig(neighbours=3, window=(64, 64), window_stride=40), {}),
        (PreprocessConfig(neighbours=3, trained_size=(96, 128)), {}),
    ],
    ids=["tta", "resized", "cropped", "windows", "trained size"],
)
def test_labels_are_those_of_torch(
    runtime: Runtime,
    preprocess: PreprocessConfig,
    options: dict[str, Any],
    bundle: Path,
    exported: Path,
    scan: OctScan,
    tmp_path: Path,
) -> None:
    loaded = load_model(bundle)
    info = loaded.info.model_copy(update={"preprocess": preprocess})
    model, copy = Model(info, loaded.network), with_input(exported, tmp_path / "m", preprocess)
    for decode in ("plain", "surfaces"):
        config = PredictConfig(**EXACT, decode=decode, **options)
        expected = label(scan, model, config)
        found = label(scan, copy, config.model_copy(update={"runtime": runtime}))
        pairs = list(zip(expected, found, strict=True))
        differs = np.stack([one.labels != other.labels for one, other in pairs])
        assert len({*np.unique(np.stack([one.labels for one in expected]))}) > 1
        if decode == "plain":
            assert (find_margin(scan, model, config)[differs] < 1e-3).all()
        else:
            assert differs.mean() < 1e-3
        for one, other in pairs:
            if one.uncertainty is not None:
                assert other.uncertainty is not None
                assert other.uncertainty.score == pytest.approx(one.uncertainty.score, abs=1e-4)


def test_volumes_that_are_sliced_along_another_axis(
    bundle: Path, exported: Path, scan: OctScan
) -> None:
    other = OctScan(np.asarray(scan.pixels), ("z", "y", "x"))
    config = PredictConfig(**EXACT, axis=2, decode="plain")
    model = load_model(bundle)
    expected = label(other, model, config)
    found = label(other, exported, config.model_copy(update={"runtime": "onnx"}))
    pairs = zip(expected, found, strict=True)
    differs = np.stack([one.labels != other.labels for one, other in pairs])
    assert (find_margin(other, model, config)[differs] < 1e-3).all()


def test_the_folder_tells_how_to_use_the_network_and_nothing_of_the_patient(
    exported: Path,
) -> None:
    about = json.loads((exported / "deployment.json").read_text())
    assert about["input"]["shape"] == ["n", 3, "rows", "columns"]
    assert about["model"]["opset"] == 17
    assert [one["name"] for one in about["decoding"]["classes"]] == [*CLASSES.names]
    assert any("3 neighbouring B-scans" in step for step in about["preprocessing"]["steps"])
    assert about["decoding"]["layers_from_above"] == ["NFL", "GCL-IPL", "INL"]
    assert about["checked"]["largest_difference_of_a_logit"] < 1e-3
    for path in exported.iterdir():
        assert b"patient" not in path.read_bytes().replace(b"patients", b"")


#: Uses an exported model as another program would: from its description alone.
_STRANGER = """
import json, sys
import numpy as np, onnxruntime
about = json.load(open(sys.argv[1] + "/deployment.json"))
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
pixels = np.load(sys.argv[2])
planes = []
for one in pixels:
    low, high = np.quantile(one, (0.005, 0.995), method="inverted_cdf").astype(np.float32)
    planes.append(np.clip((one - low) / (high - low), 0, 1))
n, depth, width = pixels.shape
images = np.stack([np.stack([planes[max(0, min(n - 1, i + k))] for k in (-1, 0, 1)])
                   for i in range(n)]).astype(np.float32)
padding = [(0, 0), (0, 0), (0, -depth % 32), (0, -width % 32)]
images = np.pad(images, padding, mode="edge")
(logits,) = session.run([about["output"]["name"]], {about["input"]["name"]: images})
winners = logits[..., :depth, :width].argmax(axis=1)
np.save(sys.argv[3], np.array([one["value"] for one in about["decoding"]["classes"]])[winners])
assert not {"torch", "napari_retseg"} & set(sys.modules)
"""


def test_a_program_that_is_not_ours_gives_the_same_labels(
    bundle: Path, exported: Path, scan: OctScan, tmp_path: Path
) -> None:
    np.save(tmp_path / "scan.npy", np.asarray(scan.pixels))
    paths = [str(exported), str(tmp_path / "scan.npy"), str(tmp_path / "labels.npy")]
    subprocess.run([sys.executable, "-c", _STRANGER, *paths], check=True, timeout=60)
    config = PredictConfig(**EXACT, decode="plain")
    model = load_model(bundle)
    expected = np.stack([one.labels for one in label(scan, model, config)])
    differs = np.load(paths[2]) != expected
    assert (find_margin(scan, model, config)[differs] < 1e-3).all()


def refuse(folder: Path, config: PredictConfig, kind: type[RetsegError] = ModelError) -> str:
    with pytest.raises(kind) as caught:
        ExportedPredictor(folder, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_used_is_told_in_one_line(
    bundle: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = PredictConfig(runtime="onnx")
    assert "models export MODEL FOLDER --onnx" in refuse(bundle, config)
    fast = config.model_copy(update={"precision": "bf16"})
    assert "fp32" in refuse(exported, fast, UsageError)
    with pytest.raises(UsageError, match="models export --onnx"):
        open_predictor(load_model(bundle), config)
    with pytest.raises(ModelError, match="not empty"):
        export_onnx(bundle, exported)
    changed = tmp_path / "changed"
    shutil.copytree(exported, changed)
    with (changed / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    assert "not the file that deployment.json describes" in refuse(changed, config)
    for runtime, library in (("onnx", "onnxruntime"), ("openvino", "openvino")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, library, None)
            lacking = PredictConfig(runtime=runtime)
            assert f"napari-retseg[{runtime}]" in refuse(exported, lacking, UsageError)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_network_that_a_runtime_cannot_compute(
    runtime: Runtime, exported: Path, tmp_path: Path
) -> None:
    """The description is the stranger's, too: what it says is tried out."""
    folder = tmp_path / "forged"
    shutil.copytree(exported, folder)
    info = read_info(exported)
    for n_channels in (1, 6):
        network = info.network.model_copy(update={"in_channels": n_channels})
        plain = PreprocessConfig()
        forged = info.model_copy(update={"network": network, "preprocess": plain})
        (folder / "model.json").write_text(forged.model_dump_json())
        assert "cannot compute it" in refuse(folder, PredictConfig(runtime=runtime))
    more = LabelSet.from_names([*CLASSES.names[1:], "SRF"])
    network = info.network.model_copy(update={"n_classes": len(more)})
    forged = info.model_copy(update={"network": network, "classes": more})
    (folder / "model.json").write_text(forged.model_dump_json())
    assert "where model.json says" in refuse(folder, PredictConfig(runtime=runtime))
