from __future__ import annotations

from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.models import ModelInfo, TrainedOn
from napari_retseg.nets.card import write_card


def test_the_card_names_network_input_and_split(tiny_info: ModelInfo) -> None:
    trained = TrainedOn(
        dataset="d",
        sha256="0",
        groups=("P1",),
        heldout_groups=("P2",),
        bscans=3,
        iterations=7,
        split="80/20 by image",
    )
    info = tiny_info.model_copy(
        update={
            "network": NetworkConfig(head="psp", auxiliary=True, in_channels=3),
            "preprocess": PreprocessConfig(
                normalise="nyul", normalise_over="scan", n4=True, every=2, fit=(256, 256)
            ),
            "trained_on": trained,
        }
    )
    text = write_card(info, version="1")
    assert "unet with encoder resnet34, psp head, auxiliary head for training, 3 input" in text
    assert "N4 bias correction, nyul normalisation of the whole scan, one of every 2" in text
    assert "cropped or padded to 256 x 256" in text
    assert "split: 80/20 by image" in text


def test_a_3d_network_has_no_encoder_on_its_card(tiny_info: ModelInfo) -> None:
    changes = {
        "network": NetworkConfig(arch="dynunet"),
        "preprocess": PreprocessConfig(size=(32, 64, 48), scale=(1.0, 1.0, 1.0)),
    }
    text = write_card(tiny_info.model_copy(update=changes), version="1")
    assert "- Network: dynunet (3D), 1 input plane(s)" in text
    assert "resized to 32 x 64 x 48" in text
    assert "encoder" not in text
