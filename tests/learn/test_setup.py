"""What is refused, or said, before a training begins."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.events import Finished, Message, StepDone, TrainingPlanned
from napari_retseg.learn.setup import Setup, prepare
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import Measurement, parse_info
from napari_retseg.nets.bundle import load_model, save_model

CONFIG = TrainConfig(iterations=1, batch_size=2, device="cpu", precision="fp32")


def set_up(dataset: Path, start: Path | None = None, **options: Any) -> Setup:
    config = CONFIG.model_copy(update=options)
    return prepare(load_dataset(dataset), config, start=start)


def rewrite(dataset: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = dataset / "dataset.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def keep(number: int) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        data["training"] = data["training"][:number]
        for case in data["training"]:
            del case["split"]

    return change


def to_drusen(data: dict[str, Any]) -> None:
    names = [name for name in data["labels"].values() if name != "background"]
    renamed = ["lower", "fluid", "drusen"]
    assert names == ["upper", "lower", "fluid"]
    data["labels"] = {"0": "background", **{str(k): n for k, n in enumerate(renamed, start=1)}}


def two_channels(dataset: Path) -> None:
    for path in (dataset / "images").iterdir():
        grey = np.array(Image.open(path))
        np.save(path.with_suffix(".npy"), np.stack([grey, grey[::-1]])[:, np.newaxis])

    def change(data: dict[str, Any]) -> None:
        for case in data["training"]:
            case["image"] = case["image"].replace(".png", ".npy")

    rewrite(dataset, change)


def test_one_bscan_only(tiny_dataset: Path) -> None:
    rewrite(tiny_dataset, keep(1))
    with pytest.raises(InputError, match="only one B-scan is labelled"):
        set_up(tiny_dataset)


def test_no_label_at_all(tiny_dataset: Path) -> None:
    for path in (tiny_dataset / "labels").iterdir():
        Image.fromarray(np.full((64, 64), 255, np.uint8)).save(path)
    with pytest.raises(InputError, match="no labelled B-scans; label some"):
        set_up(tiny_dataset)


def test_an_empty_held_out_set(tiny_dataset: Path) -> None:
    path = tiny_dataset / "dataset.json"
    path.write_text(path.read_text().replace('"val"', '"train"'))
    with pytest.raises(InputError, match="no labelled B-scan is held out"):
        set_up(tiny_dataset)


def test_a_network_that_is_too_deep_for_the_crop(tiny_dataset: Path) -> None:
    with pytest.raises(UsageError, match=r"unet is too deep for samples of 32x32 pixels.* 64 pix"):
        set_up(tiny_dataset, crop="32x32")
    set_up(tiny_dataset, crop="64x64")


def test_a_network_that_is_too_deep_for_the_scans(tiny_dataset: Path) -> None:
    with pytest.raises(UsageError, match="too deep for samples of 64x64 pixels"):
        set_up(tiny_dataset, resize="8x8")
    set_up(tiny_dataset, resize="24x32")  # padded to 64 x 64


def test_a_crop_of_other_dimensions(tiny_dataset: Path) -> None:
    with pytest.raises(UsageError, match="crop 32x64x64 has 3 numbers"):
        set_up(tiny_dataset, crop="32x64x64")


def test_any_name_of_a_data_set_gives_a_model_that_can_be_read(tiny_dataset: Path) -> None:
    config = TrainConfig(device="cpu", encoder="tu-resnet10t", crop="64x64")
    for name in ("", "x" * 900):
        dataset = load_dataset(tiny_dataset).model_copy(update={"name": name})
        info = prepare(dataset, config, start=None).info
        assert parse_info(info.model_dump(mode="json"), Path("model.json")) == info


@pytest.mark.parametrize("encoder", ["x" * 200, "tu-hf-hub:a/b", "tu-nothing"])
def test_a_strange_encoder_is_an_error_of_the_user(tiny_dataset: Path, encoder: str) -> None:
    config = TrainConfig(device="cpu", encoder=encoder)
    with pytest.raises(UsageError) as caught:
        prepare(load_dataset(tiny_dataset), config, start=None)
    assert "\n" not in str(caught.value)


def test_weights_of_another_network(tiny_dataset: Path, tiny_bundle: Path) -> None:
    with pytest.raises(ModelError, match="tu-mobilenetv3_small_050"):
        set_up(tiny_dataset, tiny_bundle, encoder="tu-mobilenetv3_small_050")


@pytest.mark.parametrize("strategy", ["decoder", "head", "last-three", "encoder-stages:1"])
def test_a_part_of_nothing_cannot_be_trained(tiny_dataset: Path, strategy: str) -> None:
    with pytest.raises(UsageError, match="needs a starting model"):
        set_up(tiny_dataset, strategy=strategy)


def test_a_dimension_that_the_model_does_not_have(tiny_dataset: Path, tiny_bundle: Path) -> None:
    with pytest.raises((UsageError, InputError), match=r"2D|volumes"):
        set_up(tiny_dataset, tiny_bundle, dims="3")


def test_a_class_without_a_pixel_is_said_before_the_first_step(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    for path in (tiny_dataset / "labels").glob("P[12]*"):
        labels = np.array(Image.open(path))
        labels[labels == 3] = 255
        Image.fromarray(labels).save(path)
    said = []
    for event in fine_tune(
        load_dataset(tiny_dataset), CONFIG, output=tmp_path / "run", start=tiny_bundle
    ):
        if isinstance(event, StepDone):
            break
        if isinstance(event, Message) and event.level == "warning":
            said.append(event.text)
    assert any("no training scan has labelled pixels of fluid" in text for text in said)


def test_classes_are_taken_over_by_name(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    rewrite(tiny_dataset, to_drusen)
    setup = set_up(tiny_dataset, tiny_bundle)
    before = load_model(tiny_bundle).network.state_dict()["segmentation_head.0.weight"]
    after = setup.network.state_dict()["segmentation_head.0.weight"]
    assert torch.equal(after[1], before[2])  # lower
    assert torch.equal(after[2], before[3])  # fluid
    assert not torch.equal(after[3], before[1])
    assert setup.report is not None
    assert "drusen" in setup.report.describe()
    run = tmp_path / "run"
    events = list(fine_tune(load_dataset(tiny_dataset), CONFIG, output=run, start=tiny_bundle))
    assert any("drusen" in e.text for e in events if isinstance(e, Message))
    finished = events[-1]
    assert isinstance(finished, Finished)
    classes = finished.result["start"]["classes"]
    assert set(classes) == {"background", "lower", "fluid", "drusen"}
    assert classes["drusen"]["predicted_pixels"] == 0  # the starting model does not know it
    assert load_model(run / "model").info.classes.names[1:] == ("lower", "fluid", "drusen")


def test_channels_are_taken_over(tiny_dataset: Path, tiny_bundle: Path) -> None:
    two_channels(tiny_dataset)
    setup = set_up(tiny_dataset, tiny_bundle)
    assert setup.info.network.in_channels == 2
    before = load_model(tiny_bundle).network
    grey = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        expected = before.eval()(grey)
        found = setup.network.eval()(grey.repeat(1, 2, 1, 1))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


def test_neighbours_are_input_planes(tiny_dataset: Path) -> None:
    setup = set_up(tiny_dataset, dims="2.5", neighbours=5)
    assert setup.info.preprocess.neighbours == 5
    assert setup.info.network.in_channels == 5


def test_a_starting_models_input_stays_unless_options_say_otherwise(
    tiny_dataset: Path, tiny_bundle: Path
) -> None:
    kept = set_up(tiny_dataset, tiny_bundle).info.preprocess
    before = load_model(tiny_bundle).info.preprocess
    assert kept == before.model_copy(update={"trained_size": (64, 64)})
    changed = set_up(tiny_dataset, tiny_bundle, fit="96x96").info.preprocess
    assert changed.fit == (96, 96)
    assert changed.normalise == kept.normalise


def test_a_fold_is_held_out_for_one_run_only(tiny_dataset: Path) -> None:
    before = (tiny_dataset / "dataset.json").read_bytes()
    heldout: list[str] = []
    for fold in (1, 2, 3):
        setup = set_up(tiny_dataset, split=f"fold:{fold}/3")
        heldout += setup.dataset.groups("val")
        assert setup.info.trained_on is not None
        assert f"fold {fold} of 3" in setup.info.trained_on.split
    assert sorted(heldout) == ["P1", "P2", "P3"]
    assert (tiny_dataset / "dataset.json").read_bytes() == before


def test_a_split_by_image_is_marked_in_every_output(tiny_dataset: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(
        update={"split": "80/20", "split_by": "image", "encoder": "tu-resnet10t"}
    )
    run = tmp_path / "run"
    events = list(fine_tune(load_dataset(tiny_dataset), config, output=run))
    plan = next(e for e in events if isinstance(e, TrainingPlanned))
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    info = load_model(run / "model").info
    assert info.trained_on is not None
    card = (run / "model" / "MODEL_CARD.md").read_text()
    for text in (plan.split, info.trained_on.split, card, " ".join(warnings)):
        assert "by image" in text


def test_what_is_told_of_the_starting_model_is_not_told_of_the_new_one(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    model = load_model(tiny_bundle)
    told = model.info.model_copy(
        update={
            "about": "Knows all.",
            "measured": (Measurement(data="elsewhere", dice={"upper": 0.9}),),
            "thresholds": {"fluid": 0.4},
        }
    )
    told = save_model(tmp_path / "told", model.network, told)
    info = set_up(tiny_dataset, tmp_path / "told").info
    assert (info.about, info.measured, info.thresholds) == ("", (), {})
    assert info.parent == told.weights_id
