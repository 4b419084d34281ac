from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.errors import ModelError
from napari_retseg.models import ModelInfo
from napari_retseg.models.outputs import match_classes, plan_parts
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import Model
from napari_retseg.nets.transfer import TransferReport, adapt_planes, transfer

OLD = LabelSet.from_names(["A", "B", "C"])
NEW = LabelSet.from_names(["B", "C", "D", "E"])


def _config(**changes: Any) -> NetworkConfig:
    options = changes.pop("options", {"encoder_depth": 3, "decoder_channels": [16, 8, 8]})
    values = {"encoder": "tu-resnet10t", "n_classes": 4, "options": options, **changes}
    return NetworkConfig(**values)


def _model(config: NetworkConfig | None = None, classes: LabelSet = OLD) -> Model:
    config = config or _config()
    network = build_seeded(config, 11)
    generator = torch.Generator().manual_seed(3)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
        else:
            tensor.fill_(17)
    info = ModelInfo(name="old", network=config, classes=classes, preprocess=PreprocessConfig())
    return Model(info=info, network=network.eval())


def test_the_same_network_and_classes_come_over_whole() -> None:
    start = _model()
    network, report = transfer(start, network=_config(), classes=OLD, seed=1)
    state = network.state_dict()
    assert set(report.copied) == set(state)
    assert report.adapted == report.new == ()
    assert all(torch.equal(t, state[key]) for key, t in start.network.state_dict().items())
    assert f"{len(state)} of {len(state)} tensors" in report.describe()


def test_rows_come_over_by_class_name() -> None:
    start, config = _model(), _config(n_classes=5)
    network, report = transfer(start, network=config, classes=NEW, seed=1)
    fresh = build_seeded(config, 1).state_dict()
    for key in ("segmentation_head.0.weight", "segmentation_head.0.bias"):
        old, new = start.network.state_dict()[key], network.state_dict()[key]
        assert torch.equal(new[[0, 1, 2]], old[[0, 2, 3]])
        assert torch.equal(new[[3, 4]], fresh[key][[3, 4]])
    assert report.adapted == (
        "segmentation_head.0.weight: rows of background, B, C; new rows for D, E",
        "segmentation_head.0.bias: rows of background, B, C; new rows for D, E",
    )
    assert report.new == ()
    assert set(report.copied) == {k for k in fresh if not k.startswith("segmentation_head.0")}
    assert "adapted: segmentation_head.0.weight: rows of background, B, C" in report.describe()


def test_an_answer_for_a_class_stays_the_same() -> None:
    start = _model()
    fewer = LabelSet.from_names(["C", "A"])
    network, report = transfer(start, network=_config(n_classes=3), classes=fewer, seed=1)
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        before, after = start.network(image), network.eval()(image)
    torch.testing.assert_close(after, before[:, [0, 3, 1]])
    assert report.adapted[0].endswith("weight: rows of background, C, A")


def test_a_class_that_was_several_begins_as_their_sum() -> None:
    """Exactly, and a class that is not needed is background: no answer changes."""
    start = _model(classes=LabelSet.from_names(["IRF", "NFL", "SRF"]))
    coarser = LabelSet.from_names(["fluid"])
    network, report = _go_on(start, coarser)
    image = torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        before = start.network(image).softmax(dim=1)
        after = network.eval()(image).softmax(dim=1)
    torch.testing.assert_close(after[:, 0], before[:, [0, 2]].sum(dim=1))
    torch.testing.assert_close(after[:, 1], before[:, [1, 3]].sum(dim=1))
    assert report.new == ()


def test_what_was_added_up_comes_apart_again() -> None:
    start = _model(classes=LabelSet.from_names(["IRF", "NFL", "SRF"]))
    coarser = LabelSet.from_names(["fluid"])
    between = _go_on(start, coarser)[0]
    parts = plan_parts(start.info, coarser)
    config = _config(n_classes=2, parts=parts)
    info = start.info.model_copy(update={"network": config, "classes": coarser})
    finer = LabelSet.from_names(["SRF", "IRF", "NFL"])
    again, _ = _go_on(Model(network=between, info=info), finer)
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(again.eval()(image), start.network(image)[:, [0, 3, 1, 2]])


def test_what_the_start_knows_is_left_behind_where_it_may_be_a_part_of_a_new_class() -> None:
    start = _model(classes=LabelSet.from_names(["fluid"]))
    assert plan_parts(start.info, LabelSet.from_names(["IRF", "SRF"])) == ()


def _go_on(start: Model, classes: LabelSet) -> tuple[torch.nn.Module, TransferReport]:
    parts = plan_parts(start.info, classes)
    config = start.info.network.model_copy(update={"n_classes": len(classes), "parts": parts})
    return transfer(start, network=config, classes=classes, seed=1)


def test_background_matches_background_whatever_its_name() -> None:
    old = LabelSet.from_names({0: "nothing", 1: "vitreous", 2: "retina"})
    new = LabelSet.from_names({0: "vitreous", 1: "nothing", 2: "retina"})
    assert match_classes(old, new) == ((0,), (), (2,))


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 5), (5, 2), (6, 2)])
def test_equal_planes_give_the_same_features(before: int, after: int) -> None:
    """Exactly so where one number is a multiple of the other."""
    weight = torch.rand(4, before, 3, 3)
    adapted = adapt_planes(weight, after)
    assert adapted.shape == (4, after, 3, 3)
    if max(before, after) % min(before, after) == 0:
        torch.testing.assert_close(adapted.sum(1), weight.sum(1))
    else:
        turns = [k % before for k in range(after)]
        assert torch.equal(adapted, weight[:, turns] * before / after)


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1), (2, 6), (3, 2)])
def test_input_planes_are_adapted(before: int, after: int) -> None:
    start = _model(_config(in_channels=before))
    config = _config(in_channels=after)
    network, report = transfer(start, network=config, classes=OLD, seed=1)
    key = "encoder.model.conv1.0.weight"
    old, new = start.network.state_dict()[key], network.state_dict()[key]
    if before == 1:
        assert torch.equal(new, (old / 3).expand(-1, 3, -1, -1))
    elif after == 1:
        torch.testing.assert_close(new, old.sum(1, keepdim=True))
    else:
        assert torch.equal(new[:, :2], old[:, :2] * before / after)
    assert report.adapted == (f"{key}: from {before} to {after} input channels",)
    assert set(report.copied) == set(network.state_dict()) - {key}


def test_neighbours_that_are_alike_change_no_answer() -> None:
    """A 2D model becomes a 2.5D one."""
    start = _model()
    network, _ = transfer(start, network=_config(in_channels=5), classes=OLD, seed=1)
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        before, after = start.network(image), network.eval()(image.expand(-1, 5, -1, -1))
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_another_head_takes_over_encoder_and_decoder() -> None:
    start, config = _model(), _config(head="psp", auxiliary=True)
    network, report = transfer(start, network=config, classes=OLD, seed=1)
    fresh, state, old = build_seeded(config, 1).state_dict(), network.state_dict(), start.network
    assert all(key.startswith(("encoder.", "decoder.")) for key in report.copied)
    assert all(torch.equal(state[key], old.state_dict()[key]) for key in report.copied)
    assert report.new
    assert all(torch.equal(state[key], fresh[key]) for key in report.new)
    assert all(key.startswith(("segmentation_head.", "auxiliary_head.")) for key in report.new)
    assert set(report.copied) | set(report.new) == set(state)
    assert "more" in report.describe()


def test_an_auxiliary_head_comes_over_by_class() -> None:
    config = _config(head="fcn", auxiliary=True)
    start = _model(config)
    larger = config.model_copy(update={"n_classes": 5})
    network, report = transfer(start, network=larger, classes=NEW, seed=1)
    old = start.network.state_dict()["auxiliary_head.classify.weight"]
    new = network.state_dict()["auxiliary_head.classify.weight"]
    assert torch.equal(new[[0, 1, 2]], old[[0, 2, 3]])
    assert len(report.adapted) == 4
    assert "auxiliary_head.project.0.weight" in report.copied


def test_a_module_that_fits_in_part_is_new_as_a_whole() -> None:
    """Half a BatchNorm of another width is of no use."""
    wider = _config(options={"encoder_depth": 3, "decoder_channels": [16, 8, 12]})
    _, report = transfer(_model(), network=wider, classes=OLD, seed=1)
    assert "decoder.blocks.2.conv1.1.num_batches_tracked" in report.new
    assert "decoder.blocks.1.conv1.1.num_batches_tracked" in report.copied


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (_config(encoder="mobilenet_v2"), "unet with encoder mobilenet_v2"),
        (_config(arch="basicunet", options={}), "than basicunet: 0 of"),
    ],
)
def test_weights_of_another_network_are_refused(config: NetworkConfig, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        transfer(_model(), network=config, classes=OLD, seed=1)
    assert "of another network (unet with encoder tu-resnet10t)" in str(caught.value)
    assert "remove --arch and --encoder, or use --strategy scratch" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_decoder_keeps_the_encoder() -> None:
    config = _config(arch="fpn", options={})
    start = _model(_config(options={}))
    network, report = transfer(start, network=config, classes=OLD, seed=1)
    encoder = {key for key in network.state_dict() if key.startswith("encoder.")}
    assert encoder <= set(report.copied)
    assert any(key.startswith("decoder.") for key in report.new)


@pytest.mark.parametrize("arch", ["basicunet", "dynunet", "segresnet"])
def test_volumetric_networks_change_classes_and_channels(arch: str) -> None:
    start = _model(NetworkConfig(arch=arch, n_classes=4, in_channels=2))
    config = NetworkConfig(arch=arch, n_classes=5, in_channels=1)
    network, report = transfer(start, network=config, classes=NEW, seed=1)
    old, new = start.network.state_dict(), network.state_dict()
    rows = [words.partition(":")[0] for words in report.adapted if "rows of" in words]
    planes = [words.partition(":")[0] for words in report.adapted if "input channels" in words]
    assert len(rows) == 2
    assert len(planes) == 1
    for key in rows:
        assert torch.equal(new[key][[0, 1, 2]], old[key][[0, 2, 3]])
    torch.testing.assert_close(new[planes[0]], old[planes[0]].sum(1, keepdim=True))
    assert len(report.copied) == len(new) - 3


def test_outputs_and_classes_must_agree() -> None:
    with pytest.raises(ModelError, match="4 outputs, but there are 5 classes"):
        transfer(_model(), network=_config(), classes=NEW, seed=1)


def test_the_start_stays_as_it_is() -> None:
    start = _model()
    before = {key: t.clone() for key, t in start.network.state_dict().items()}
    network, _ = transfer(start, network=_config(), classes=OLD, seed=1)
    for parameter in network.parameters():
        parameter.data.add_(1)
    assert all(torch.equal(t, before[key]) for key, t in start.network.state_dict().items())
