"""Simulated eyes in a training: which, how many, and what is scored on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg.classes import IGNORE, RETINA, RETINA_AND_LESIONS, LabelSet
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import UsageError
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.eyes import (
    EyePool,
    choose_kind,
    count_eyes,
    draw_scored,
    learned_from_simulated,
)
from napari_retseg.learn.setup import prepare
from napari_retseg.models import ModelInfo, TrainedOn
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.simulate import SimulatorConfig, draw_bscan

CONFIG = TrainConfig(batch_size=4, device="cpu", precision="fp32", crop="64x64", augment="none")
SMALL = SimulatorConfig(size=(64, 64))


def of_simulated(bundle: Path, *, share: float = 0.0, simulated: bool = True) -> Path:
    """Let a bundle say that its model learned from simulated scans."""
    model = load_model(bundle)
    trained = TrainedOn(
        dataset="eyes",
        sha256="",
        n_groups=1,
        n_heldout_groups=1,
        bscans=1,
        iterations=1,
        simulated=simulated,
        simulated_share=share,
    )
    save_model(bundle, model.network, model.info.model_copy(update={"trained_on": trained}))
    return bundle


def test_labels_are_those_of_the_simulator_by_name() -> None:
    kind = choose_kind(RETINA, SMALL)
    assert kind is not None
    _, labels, _ = draw_bscan(SMALL, 3, 1)
    assert np.array_equal(kind.draw(3, 1).labels, RETINA.to_indices(labels))
    lesions = choose_kind(RETINA_AND_LESIONS, SMALL)
    assert lesions is not None
    assert lesions.config.label_set == "retina and lesions"


def test_what_the_simulator_does_not_draw_may_lie_in_its_background() -> None:
    kind = choose_kind(LabelSet.from_names(["scar", "RNFL", "fluid"]), SMALL)
    assert kind is not None
    values = set(kind.table[RETINA.values].tolist())
    assert values == {IGNORE, 2, 3}
    assert choose_kind(LabelSet.from_names(["scar"])) is None


def test_a_class_that_is_several_of_the_simulators() -> None:
    kind = choose_kind(LabelSet.from_names(["IRF", "SRF"]), SMALL)
    assert kind is not None
    assert kind.config.label_set == "retina and lesions"
    assert set(kind.table[RETINA_AND_LESIONS.values].tolist()) == {0, 1, 2}


@pytest.mark.parametrize(("share", "number"), [(0.0, 0), (0.1, 1), (0.25, 1), (0.5, 2)])
def test_a_share_of_a_batch_in_samples(share: float, number: int) -> None:
    assert count_eyes(share, 4) == number


def test_a_share_of_each_batch_is_added(
    tiny_dataset: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_retseg.learn.eyes.REHEARSED", 2)
    with_eyes, plain = (
        Batches(prepare(load_dataset(tiny_dataset), config, start=tiny_bundle))
        for config in (
            CONFIG.model_copy(update={"rehearse_simulated": share}) for share in (0.5, 0.0)
        )
    )
    for one in (with_eyes, plain):
        list(one.load())
    images, labels = with_eyes.draw(5)
    with_eyes.close()
    assert (len(images), len(labels)) == (6, 6)
    assert (labels != IGNORE).flatten(1).any(dim=1).all()
    assert (images[:4] == plain.draw(5)[0]).all()  # what is of the dataset stays the same


def test_the_same_seed_draws_the_same_eyes_in_whatever_order(tiny_info: ModelInfo) -> None:
    kind = choose_kind(tiny_info.classes, SMALL)
    assert kind is not None
    pools = [EyePool(kind, tiny_info.preprocess, seed=seed, n=3) for seed in (4, 4, 5)]
    first = [pools[0].read(k).image for k in (0, 1, 2)]
    again = [pools[1].read(k).image for k in (2, 1, 0)][::-1]
    other = [pools[2].read(k).image for k in (0, 1, 2)]
    for pool in pools:
        pool.close()
    assert all(map(np.array_equal, first, again))
    assert not any(map(np.array_equal, first, other))
    assert not np.array_equal(first[0], first[1])


def test_eyes_that_are_scored_are_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_retseg.learn.eyes.SCORED", 1)
    (one,), (again,) = draw_scored(RETINA), draw_scored(RETINA)
    assert np.array_equal(one.scan.pixels, again.scan.pixels)
    assert one.scan.spacing_um[0] is not None


def test_auto_looks_at_where_the_starting_model_comes_from(
    tiny_dataset: Path, tiny_bundle: Path
) -> None:
    dataset = load_dataset(tiny_dataset)
    assert prepare(dataset, CONFIG, start=tiny_bundle).eye_share == 0
    start = of_simulated(tiny_bundle)
    setup = prepare(dataset, CONFIG, start=start)
    assert setup.eye_share > 0
    assert setup.info.trained_on is not None
    assert setup.info.trained_on.simulated_share == setup.eye_share
    assert learned_from_simulated(setup.info)  # the next round starts from it
    simulated = dataset.model_copy(update={"simulated": True})
    assert prepare(simulated, CONFIG, start=start).eye_share == 0
    scratch = CONFIG.model_copy(update={"strategy": "scratch"})
    assert prepare(dataset, scratch, start=start).eye_share == 0


def test_other_networks_are_refused(tiny_volumes: Path) -> None:
    config = CONFIG.model_copy(update={"rehearse_simulated": 0.25, "dims": "2.5"})
    with pytest.raises(UsageError, match="2D networks"):
        prepare(load_dataset(tiny_volumes), config, start=None)


def test_other_classes_are_refused(tiny_volumes: Path) -> None:
    config = CONFIG.model_copy(update={"rehearse_simulated": 0.25})
    with pytest.raises(UsageError, match=r"none of the classes \(shell, core\)"):
        prepare(load_dataset(tiny_volumes), config, start=None)
