"""Parameters that a description tells, against those that torch trains."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_retseg.classes import RETINA, LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig, TrainConfig, parse_strategy
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import UsageError
from napari_retseg.events import TrainingPlanned
from napari_retseg.models import DESCRIPTION, ModelInfo, find_model, read_info
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.build import count_parameters as count_in_torch
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.nets.freeze import apply_strategy
from napari_retseg.rounds import count_for_round, count_parameters

_SMALL: dict[str, Any] = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
_TINY: dict[str, Any] = {"encoder": "tu-resnet10t", "options": _SMALL}
NETWORKS = {
    "resnet": NetworkConfig(encoder="resnet18", n_classes=3),
    "smaller resnet": NetworkConfig(encoder="resnet34", n_classes=3, options=_SMALL),
    "timm": NetworkConfig(n_classes=3, **_TINY),
    "mit": NetworkConfig(encoder="mit_b0", n_classes=3),
    "efficientnet": NetworkConfig(encoder="efficientnet-b0", n_classes=3),
    "fcn": NetworkConfig(head="fcn", auxiliary=True, n_classes=3, **_TINY),
    "psp": NetworkConfig(head="psp", auxiliary=True, n_classes=3, **_TINY),
    "aspp": NetworkConfig(head="aspp", n_classes=3, **_TINY),
    "attention": NetworkConfig(
        encoder="tu-resnet10t",
        n_classes=3,
        options={
            "encoder_depth": 3,
            "decoder_channels": [32, 16, 16],
            "decoder_attention_type": "scse",
        },
    ),
    "unetplusplus": NetworkConfig(arch="unetplusplus", n_classes=3, **_TINY),
    "manet": NetworkConfig(arch="manet", n_classes=3, **_TINY),
    "linknet": NetworkConfig(arch="linknet", encoder="tu-resnet10t", n_classes=3),
    "fpn": NetworkConfig(arch="fpn", encoder="tu-resnet10t", n_classes=3),
    "basicunet": NetworkConfig(
        arch="basicunet", n_classes=3, options={"features": [4, 4, 8, 8, 8, 4]}
    ),
    "dynunet": NetworkConfig(arch="dynunet", n_classes=3, options={"filters": [4, 8, 8]}),
    "segresnet": NetworkConfig(
        arch="segresnet", n_classes=3, options={"blocks_down": [1, 1, 1], "blocks_up": [1, 2]}
    ),
}
STRATEGIES = (
    "all", "scratch", "decoder", "head", "last-three",
    "encoder-stages:1", "encoder-stages:2", "encoder-stages:3",
)  # fmt: skip
#: Further decoders, encoders and options.
NETWORKS |= {
    arch: NetworkConfig(arch=arch, encoder="resnet18", n_classes=3)
    for arch in ("deeplabv3plus", "pan", "pspnet", "segformer", "upernet")
}
NETWORKS |= {
    "2.5D": NetworkConfig(in_channels=3, n_classes=3, **_TINY),
    "vit": NetworkConfig(arch="dpt", encoder="tu-vit_tiny_patch16_224", n_classes=3),
    "norms": NetworkConfig(
        arch="basicunet", n_classes=3, options={"features": [4, 4, 8, 8, 8, 4], "norm": "batch"}
    ),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Build a network once, and write it as a bundle."""
    config = NETWORKS[request.param]
    built = build_seeded(config, 0)
    folder = tmp_path_factory.mktemp("bundles") / "bundle"
    info = ModelInfo(
        name="bundle",
        network=config,
        classes=LabelSet.from_names(["a", "b"]),
        preprocess=PreprocessConfig(scale=(1.0,) * config.dims),
    )
    save_model(folder, built, info)
    return config, built, folder


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_bundle_tells_what_a_strategy_trains(network: Any, strategy: str) -> None:
    config, built, folder = network
    changed: torch.nn.Module = copy.deepcopy(built)
    apply_strategy(changed, config, parse_strategy(strategy), seed=1)
    assert count_parameters(folder, strategy) == count_in_torch(changed)


def test_a_bundle_tells_it_for_other_classes_and_without_the_auxiliary_head(network: Any) -> None:
    config, _, folder = network
    other = config.model_copy(update={"n_classes": 7, "auxiliary": False})
    built = build_seeded(other, 0)
    for strategy in ("decoder", "head", "last-three", "encoder-stages:2"):
        apply_strategy(built, other, parse_strategy(strategy), seed=1)
        classes = LabelSet.from_names([f"class {k}" for k in range(1, 7)])
        found = count_parameters(folder, strategy, classes=classes, auxiliary=False)
        assert found == count_in_torch(built), strategy


def test_more_stages_than_there_are_is_the_error_of_the_training(network: Any) -> None:
    config, built, folder = network
    with pytest.raises(UsageError) as expected:
        apply_strategy(built, config, parse_strategy("encoder-stages:9"), seed=1)
    with pytest.raises(UsageError) as caught:
        count_parameters(folder, "encoder-stages:9")
    assert str(caught.value) == str(expected.value)


def _plan(dataset: Path, bundle: Path, config: TrainConfig, output: Path) -> TrainingPlanned:
    from napari_retseg.learn.train import fine_tune

    events = fine_tune(load_dataset(dataset), config, output=output, start=bundle)
    try:
        return next(event for event in events if isinstance(event, TrainingPlanned))
    finally:
        events.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("strategy", ["all", "decoder", "head", "last-three", "encoder-stages:1"])
def test_a_training_with_more_classes_says_the_same(
    tiny_dataset: Path, tiny_network: torch.nn.Module, tmp_path: Path, strategy: str
) -> None:
    classes = LabelSet.from_names(["fluid"])
    network = NetworkConfig(n_classes=2, auxiliary=True, **_TINY)
    info = ModelInfo(name="other", network=network, classes=classes, preprocess=PreprocessConfig())
    save_model(tmp_path / "other", build_seeded(network, 0), info)
    config = TrainConfig(strategy=strategy, device="cpu", iterations=1)
    plan = _plan(tiny_dataset, tmp_path / "other", config, tmp_path / "run")
    labels = load_dataset(tiny_dataset).labels
    found = count_for_round(tmp_path / "other", config, classes=labels)
    assert found == (plan.parameters_trainable, plan.parameters_frozen)


@pytest.mark.parametrize("strategy", ["all", "head", "last-three"])
def test_a_training_that_keeps_finer_outputs_says_the_same(
    tiny_dataset: Path, tmp_path: Path, strategy: str
) -> None:
    """What the dataset calls *fluid*, the model has as IRF and SRF."""
    classes = LabelSet.from_names(["upper", "lower", "IRF", "SRF", "other"])
    network = NetworkConfig(n_classes=6, **_TINY)
    info = ModelInfo(name="finer", network=network, classes=classes, preprocess=PreprocessConfig())
    save_model(tmp_path / "finer", build_seeded(network, 0), info)
    config = TrainConfig(strategy=strategy, device="cpu", iterations=1)
    plan = _plan(tiny_dataset, tmp_path / "finer", config, tmp_path / "run")
    labels = load_dataset(tiny_dataset).labels
    found = count_for_round(tmp_path / "finer", config, classes=labels)
    assert found == (plan.parameters_trainable, plan.parameters_frozen)


@pytest.mark.parametrize(
    "change",
    [
        {"arch": "linknet"},
        {"encoder": "resnet18"},
        {"head": "fcn"},
        {"aux_weight": 0.4},
        {"dims": "2.5"},
        {"neighbours": 3},
    ],
)
def test_another_network_is_not_counted(tiny_bundle: Path, change: dict[str, Any]) -> None:
    assert count_for_round(tiny_bundle, TrainConfig(**change), classes=RETINA) is None


def test_what_is_the_bundles_own_may_be_named(tiny_bundle: Path) -> None:
    config = TrainConfig(arch="unet", encoder="tu-test_resnet", head="plain", dims="2")
    classes = read_info(tiny_bundle).classes
    assert count_for_round(tiny_bundle, config, classes=classes) == count_parameters(
        tiny_bundle, "all"
    )


def test_an_older_description_does_not_tell(tiny_bundle: Path) -> None:
    content = json.loads((tiny_bundle / DESCRIPTION).read_text())
    del content["parameters"]
    (tiny_bundle / DESCRIPTION).write_text(json.dumps(content))
    assert count_parameters(tiny_bundle, "all") is None


def test_the_starter_tells_what_a_training_from_it_changes() -> None:
    model = load_model("starter")
    apply_strategy(model.network, model.info.network, parse_strategy("decoder"), seed=0)
    assert count_parameters(find_model("starter"), "decoder") == count_in_torch(model.network)
