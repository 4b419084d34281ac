from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_retseg.classes import RETINA
from napari_retseg.config import PredictConfig, PreprocessConfig
from napari_retseg.errors import ModelError, UsageError
from napari_retseg.events import CancelToken
from napari_retseg.infer.decision import Decision
from napari_retseg.infer.predict import load_predictor, predict_labels
from napari_retseg.infer.predictor import Predictor
from napari_retseg.nets.bundle import Model, load_model
from napari_retseg.scan import Axis, OctScan
from tests.infer.networks import Neighbour, Table, make_model, random_convolution

EXACT = PredictConfig(device="cpu", precision="fp32")
OCT: tuple[Axis, ...] = ("bscan", "depth", "width")
GRID: tuple[Axis, ...] = ("z", "y", "x")


def exact(**options: Any) -> PredictConfig:
    return EXACT.model_copy(update=options)


class Counting:
    """Pixels that count which B-scans are read."""

    def __init__(self, pixels: NDArray[Any]) -> None:
        self._pixels = pixels
        self.shape, self.dtype, self.ndim = pixels.shape, pixels.dtype, pixels.ndim
        self.nbytes = pixels.nbytes
        self.read: list[int] = []

    def __getitem__(self, index: int) -> NDArray[Any]:
        self.read.append(index)
        plane: NDArray[Any] = self._pixels[index]
        return plane


@pytest.fixture
def pixels(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.random((5, 12, 34), dtype=np.float32)


def test_bscans_are_read_batch_by_batch_and_in_the_order_asked_for(
    pixels: NDArray[np.float32],
) -> None:
    counting = Counting(pixels)
    model = make_model(random_convolution(2))
    predictor = load_predictor(model, exact(batch_size=2))
    found = predictor.label_scan(OctScan(counting, OCT), [4, 0, 2])
    assert counting.read == []
    assert next(found)[0] == 4
    assert counting.read == [4, 0]
    assert [index for index, _ in found] == [0, 2]
    assert counting.read == [4, 0, 2]


def test_neighbours_are_planes_of_the_input(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 2, (4, 10, 12)).astype(np.float32)
    preprocess = PreprocessConfig(normalise="none", neighbours=3)
    model = make_model(Neighbour(), names=("bright",), in_channels=3, preprocess=preprocess)
    found = predict_labels(OctScan(pixels, OCT), model, EXACT)
    # behind the last B-scan it is repeated
    assert np.array_equal(found, pixels[[1, 2, 3, 3]])
    predictor = load_predictor(model, EXACT)
    predictor.check_channels(1, "scan")
    with pytest.raises(ModelError, match="needs 1"):
        predictor.check_channels(3, "scan")


@pytest.mark.parametrize("axis", [1, 2])
def test_a_volume_is_sliced_along_the_axis_asked_for(
    pixels: NDArray[np.float32], axis: int
) -> None:
    model = make_model(random_convolution(2))
    scan = OctScan(pixels, GRID)
    found = predict_labels(scan, model, exact(axis=axis, batch_size=3))
    slices = [
        predict_labels(OctScan(one, ("y", "x")), model, EXACT)
        for one in np.moveaxis(pixels, axis, 0)
    ]
    assert np.array_equal(found, np.stack(slices, axis=axis))
    assert not np.array_equal(found, predict_labels(scan, model, EXACT))
    # the B-scans of OCT are what they are
    oct_scan = OctScan(pixels, OCT)
    along = predict_labels(oct_scan, model, exact(axis=axis))
    assert np.array_equal(along, predict_labels(oct_scan, model, EXACT))


def test_the_models_own_axis_is_the_default(pixels: NDArray[np.float32]) -> None:
    preprocess = PreprocessConfig(normalise="none", axis=2)
    network = random_convolution(2)
    scan = OctScan(pixels, GRID)
    found = predict_labels(scan, make_model(network, preprocess=preprocess), EXACT)
    assert np.array_equal(found, predict_labels(scan, make_model(network), exact(axis=2)))
    assert np.array_equal(
        predict_labels(scan, make_model(network, preprocess=preprocess), exact(axis=0)),
        predict_labels(scan, make_model(network), EXACT),
    )


def test_a_whole_volume_is_predicted_once_until_another_comes(
    pixels: NDArray[np.float32],
) -> None:
    predictor = load_predictor(make_model(Table([[0.0, 1.0, 2.0]]), dims=3), EXACT)
    table = predictor._network
    assert isinstance(table, Table)
    table.calls = 0
    scan = OctScan(pixels, GRID)
    for start in range(5):
        ((index, result),) = predictor.label_scan(scan, [start])
        assert (index, result.labels.shape) == (start, (12, 34))
    assert table.calls == 1
    list(predictor.label_scan(OctScan(pixels, GRID), [0]))
    assert table.calls == 2
    predictor.forget()
    list(predictor.label_scan(scan, [0]))
    assert table.calls == 3


@pytest.mark.parametrize("axes", [GRID, OCT])
def test_a_3d_network_sees_the_volume(pixels: NDArray[np.float32], axes: tuple[Axis, ...]) -> None:
    network = random_convolution(3)
    found = predict_labels(OctScan(pixels, axes), make_model(network, dims=3), EXACT)
    with torch.no_grad():
        padded = torch.nn.functional.pad(
            torch.from_numpy(pixels)[None, None], (0, 14, 0, 4, 0, 11), mode="replicate"
        )
        wanted = network(padded)[0, :, :5, :12, :34].argmax(0)
    assert np.array_equal(found, wanted)


def test_a_3d_network_slides_over_a_large_volume(rng: np.random.Generator) -> None:
    pixels = rng.random((100, 150, 160), dtype=np.float32)
    network = random_convolution(3, size=1)
    predictor = load_predictor(make_model(network, dims=3), EXACT)
    calls = []
    predictor._network.register_forward_hook(lambda *args: calls.append(args[1][0].shape))
    labels = [
        result.labels for _, result in predictor.label_scan(OctScan(pixels, GRID), range(100))
    ]
    assert {tuple(shape) for shape in calls} == {(1, 1, 96, 96, 96)}
    assert len(calls) == 2 * 3 * 3
    with torch.no_grad():
        wanted = network(torch.from_numpy(pixels)[None, None])[0]
    assert (np.stack(labels) == wanted.argmax(0).numpy()).mean() > 0.9999


def test_a_3d_network_takes_a_single_bscan(pixels: NDArray[np.float32]) -> None:
    scan = OctScan(pixels[0], ("depth", "width"))
    labels = predict_labels(scan, make_model(random_convolution(3), dims=3), EXACT)
    assert labels.shape == (12, 34)
    assert len(np.unique(labels)) > 1


def test_a_3d_input_is_resampled_by_its_spacing_and_restored(
    pixels: NDArray[np.float32],
) -> None:
    preprocess = PreprocessConfig(normalise="none", spacing_um=(10.0, 20.0, 20.0))
    model = make_model(random_convolution(3), dims=3, preprocess=preprocess)
    predictor = load_predictor(model, EXACT)
    shapes = []
    predictor._network.register_forward_hook(lambda *args: shapes.append(args[1][0].shape))
    scan = OctScan(pixels, GRID, spacing_um=(40.0, 10.0, 40.0), spacing_source="file")
    results = [result for _, result in predictor.label_scan(scan, range(5))]
    # 20 x 6 x 68 voxels, padded to the network's stride of 16, to two pixels a side and 27 in all
    assert tuple(shapes[0][2:]) == (48, 32, 80)
    assert np.stack([r.labels for r in results]).shape == (5, 12, 34)


@pytest.mark.parametrize(("dims", "axes"), [(2, OCT), (3, GRID)], ids=["2D", "3D"])
def test_with_tta_the_mirrored_scan_has_mirrored_labels(
    rng: np.random.Generator, dims: int, axes: tuple[Axis, ...]
) -> None:
    # sizes without padding, which is at one side only
    pixels = rng.random((32, 32, 64), dtype=np.float32)
    model = make_model(random_convolution(dims), dims=dims)
    mirrored = OctScan(np.ascontiguousarray(pixels[..., ::-1]), axes)
    scan = OctScan(pixels, axes)
    plain = predict_labels(scan, model, EXACT)
    averaged = predict_labels(scan, model, exact(tta=True))
    assert (predict_labels(mirrored, model, exact(tta=True)) == averaged[..., ::-1]).mean() > 0.999
    assert (predict_labels(mirrored, model, EXACT) == plain[..., ::-1]).mean() < 0.9
    assert (plain != averaged).mean() > 0.05


def test_tta_is_the_mean_of_the_probabilities(pixels: NDArray[np.float32]) -> None:
    network = random_convolution(2)
    model = make_model(network)
    predictor = load_predictor(model, exact(tta=True))
    image = torch.from_numpy(pixels[:1, None])
    edge = torch.nn.functional.pad(image, (0, 30, 0, 20), mode="replicate")
    flipped = torch.nn.functional.pad(image.flip(-1), (0, 30, 0, 20), mode="replicate")
    with torch.no_grad():
        one = network(edge)[..., :12, :34].softmax(1)
        other = network(flipped)[..., :12, :34].softmax(1).flip(-1)
        ((_, logits),) = predictor.predict_logits(OctScan(pixels[0], ("depth", "width")), [0])
    torch.testing.assert_close(logits.softmax(1), (one + other) / 2)


def test_thresholds_decide_by_p_over_t() -> None:
    probabilities = np.array([0.05, 0.15, 0.25, 0.45, 0.55, 0.9], np.float32)
    logits = np.log(probabilities / (1 - probabilities))
    rows = [[0.0, float(value)] for value in logits]
    scan = OctScan(np.arange(6, dtype=np.float32)[None], ("depth", "width"))
    for threshold in (0.2, 0.5, 0.7):
        model = make_model(Table(rows), names=("drusen",), thresholds={"drusen": threshold})
        found = predict_labels(scan, model, EXACT)[0]
        assert np.array_equal(found, probabilities > threshold)


def test_thresholds_that_do_not_fit_are_refused() -> None:
    for thresholds, named in (({"drusen": 0.4}, "drusen"), ({"upper": 1.0}, "upper 1")):
        plain = make_model(random_convolution(2))
        info = plain.info.model_copy(update={"thresholds": thresholds})  # it checks nothing
        with pytest.raises(ModelError, match=named):
            load_predictor(Model(info, plain.network), EXACT)


@pytest.mark.parametrize("resize", [None, (20, 24), (60, 30)])
def test_surfaces_put_the_layers_in_order(
    tiny_bundle: Path, rng: np.random.Generator, resize: tuple[int, int] | None
) -> None:
    tiny = load_model(tiny_bundle)
    names = type(RETINA).from_names(["INL", "GCL-IPL", "fluid"])
    preprocess = tiny.info.preprocess.model_copy(update={"size": resize})
    update = {"classes": names, "preprocess": preprocess}
    model = Model(tiny.info.model_copy(update=update), tiny.network)
    scan = OctScan(rng.integers(0, 255, (2, 40, 48), dtype=np.uint8), OCT)
    plain = predict_labels(scan, model, exact(decode="plain"))
    found = predict_labels(scan, model, EXACT)
    assert (plain != found).any()
    assert np.array_equal(found, predict_labels(scan, model, exact(decode="surfaces")))
    place = np.array([-1, 1, 0, -1])[found]
    for column in np.moveaxis(place, 1, -1).reshape(-1, 40):
        assert (np.diff(column[column >= 0]) >= 0).all()
    with pytest.raises(UsageError, match=r"upper, lower, fluid.*--decode plain"):
        load_predictor(tiny, exact(decode="surfaces"))


@pytest.mark.parametrize(("dims", "axis"), [(2, 0), (2, 2), (3, 0)])
def test_uncertainty_is_of_each_bscan(pixels: NDArray[np.float32], dims: int, axis: int) -> None:
    model = make_model(random_convolution(dims), dims=dims)
    predictor = load_predictor(model, exact(uncertainty=True, axis=axis))
    scan = OctScan(pixels, GRID)
    wanted = torch.cat([x for _, x in predictor.predict_logits(scan, range(5))]).log_softmax(1)
    entropy = (-(wanted.exp() * wanted).sum(1) / np.log(3) * 255).round()
    results = [result for _, result in predictor.label_scan(scan, range(5))]
    maps = [r.uncertainty.entropy for r in results if r.uncertainty is not None]
    assert np.abs(np.stack(maps).astype(float) - entropy.numpy()).max() <= 1
    scores = [r.uncertainty.score for r in results if r.uncertainty is not None]
    assert len(set(scores)) == 5
    without = load_predictor(model, exact(axis=axis)).label_scan(scan, range(5))
    for found, (_, plain) in zip(results, without, strict=True):
        assert np.array_equal(found.labels, plain.labels)
        assert plain.uncertainty is None


@pytest.mark.parametrize(("dims", "axis"), [(2, 0), (2, 1), (3, 0)])
def test_a_cancelled_scan_ends_early(pixels: NDArray[np.float32], dims: int, axis: int) -> None:
    cancel = CancelToken()
    cancel.cancel()
    model = make_model(random_convolution(dims), dims=dims)
    predictor = load_predictor(model, exact(axis=axis))
    scan = OctScan(np.broadcast_to(pixels[:, :, :1], (5, 12, 3)).copy(), GRID)
    if dims == 3:
        scan = OctScan(np.zeros((130, 130, 130), np.float32), GRID)
    assert list(predictor.label_scan(scan, [0, 1], cancel=cancel)) == []


def test_a_plain_decision_is_the_most_probable_class(rng: np.random.Generator) -> None:
    logits = torch.from_numpy(rng.normal(size=(2, 9, 5, 6)).astype(np.float32))
    decided = Decision(RETINA, {}, PredictConfig(decode="plain")).decide(logits)
    assert np.array_equal([d.labels for d in decided], logits.argmax(1))


def test_a_model_with_windows_sees_the_input_in_parts(rng: np.random.Generator) -> None:
    preprocess = PreprocessConfig(normalise="none", window=(16, 16), window_stride=8)
    network = Table([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    scan = OctScan(
        pixels=rng.integers(0, 3, (2, 32, 40)).astype(np.float32),
        axes=("bscan", "depth", "width"),
    )
    found = predict_labels(scan, make_model(network, preprocess=preprocess), EXACT)
    assert np.array_equal(found, scan.pixels)
    assert sizes_seen(network, preprocess, scan) == {(64, 64)}


def sizes_seen(
    network: torch.nn.Module, preprocess: PreprocessConfig, scan: OctScan
) -> set[tuple[int, ...]]:
    """Return the sizes of what a network is given; windows are padded to its stride."""
    predictor = Predictor(
        make_model(network).network, make_model(network, preprocess=preprocess).info, EXACT
    )
    seen: set[tuple[int, ...]] = set()
    predictor._network.register_forward_hook(lambda _, given, __: seen.add(given[0].shape[-2:]))
    list(predictor.label_scan(scan, [0]))
    return seen


class Broken(torch.nn.Module):
    """Gives a value that is not finite in one pixel of a scan."""

    def __init__(self, value: float, dims: int) -> None:
        super().__init__()
        layer = torch.nn.Conv2d if dims == 2 else torch.nn.Conv3d
        self.conv = layer(1, 2, 1)
        self.value = value

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.conv(images).clone()
        logits[(0, 1, *[0] * (images.ndim - 2))] = self.value
        return logits


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("options", [{}, {"tta": True}, {"uncertainty": True}])
def test_values_that_are_not_finite_are_refused_and_no_background(
    pixels: NDArray[np.float32], value: float, precision: Any, options: dict[str, bool]
) -> None:
    scan = OctScan(pixels, OCT, source=Path("eye.tif"))
    config = PredictConfig(device="cpu", precision=precision, **options)
    predictor = load_predictor(make_model(Broken(value, 2), names=("upper",)), config)
    with pytest.raises(ModelError, match=rf"^eye.tif: model .* not finite, in {precision}; ") as it:
        list(predictor.label_scan(scan, range(5)))
    assert ("--precision fp32" in str(it.value)) == (precision == "bf16")
