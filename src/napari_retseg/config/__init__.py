"""Configuration: frozen pydantic models and texts, validated once at the edge, without torch."""

from __future__ import annotations

from napari_retseg.config.architectures import ARCHITECTURES_3D, OPTIONS
from napari_retseg.config.augment import AUGMENT_PRESETS, AugmentConfig, parse_augment
from napari_retseg.config.frozen import Frozen
from napari_retseg.config.network import (
    LARGEST_INPUT,
    MOST_PIXELS,
    Head,
    NetworkConfig,
    Normalisation,
    NormaliseOver,
    PreprocessConfig,
)
from napari_retseg.config.predict import Decoding, Device, Precision, PredictConfig, Runtime
from napari_retseg.config.texts import (
    LossTerm,
    SplitPlan,
    Strategy,
    Window,
    parse_class_weights,
    parse_fit,
    parse_loss,
    parse_resize,
    parse_size,
    parse_split,
    parse_strategy,
    parse_window,
)
from napari_retseg.config.training import Dims, ScheduleName, SplitBy, TrainConfig

__all__ = [
    "ARCHITECTURES_3D",
    "AUGMENT_PRESETS",
    "LARGEST_INPUT",
    "MOST_PIXELS",
    "OPTIONS",
    "AugmentConfig",
    "Decoding",
    "Device",
    "Dims",
    "Frozen",
    "Head",
    "LossTerm",
    "NetworkConfig",
    "Normalisation",
    "NormaliseOver",
    "Precision",
    "PredictConfig",
    "PreprocessConfig",
    "Runtime",
    "ScheduleName",
    "SplitBy",
    "SplitPlan",
    "Strategy",
    "TrainConfig",
    "Window",
    "parse_augment",
    "parse_class_weights",
    "parse_fit",
    "parse_loss",
    "parse_resize",
    "parse_size",
    "parse_split",
    "parse_strategy",
    "parse_window",
]
