"""The libraries of 2D networks; in commands and workers without torch's compiler and much else.

They ask for the compiler (torch._dynamo, and with it sympy and triton) only to tell it what to
leave alone. Nothing here is compiled, and importing it takes as long as importing torch itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import torch  # noqa: F401 - before its compiler is left out

from napari_retseg.headless import is_headless
from napari_retseg.nets.deferral import complete, deferring

_NAME = "torch._dynamo"
#: Packages of which a network needs little, and what is needed to import the libraries at all.
_LATER = {
    "timm.data": frozenset({"constants"}),
    "timm.models": frozenset[str](),
    "torchvision": frozenset({"extension"}),
    "torchvision.models": frozenset({"mobilenet"}),
}


@contextmanager
def no_compiler() -> Iterator[None]:
    """Let imports and layers made meanwhile find a compiler that does nothing.

    Nothing is changed where the real one was imported before, and where a viewer may be opened: to
    import it after that can end the process (:mod:`napari_retseg.headless`).
    """
    if _NAME in sys.modules or not is_headless():
        yield
        return
    stand_in = {_NAME: ModuleType(_NAME), f"{_NAME}.utils": ModuleType(f"{_NAME}.utils")}
    package, utils = stand_in.values()
    package.__dict__.update(__path__=[], disable=_leave_alone, utils=utils)
    utils.__dict__.update(is_compile_supported=lambda _device: False)
    sys.modules.update(stand_in)
    try:
        yield
    finally:
        for name in stand_in:
            sys.modules.pop(name, None)


def _leave_alone(function: Callable[..., Any] | None = None, *_: Any, **__: Any) -> Any:
    """Stand in for the decorator, with arguments or without, that keeps a function as it is."""
    return (lambda given: given) if function is None else function


try:
    with no_compiler(), deferring(_LATER if is_headless() else {}):
        import_module("segmentation_models_pytorch")
except (AttributeError, ImportError):
    pass  # versions that ask for more of the compiler get the real one below

import segmentation_models_pytorch as smp  # noqa: E402
import timm  # noqa: E402
from segmentation_models_pytorch.base.initialization import (  # noqa: E402
    initialize_decoder,
    initialize_head,
)
from segmentation_models_pytorch.base.modules import Conv2dReLU  # noqa: E402
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPP  # noqa: E402
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPModule  # noqa: E402
from timm.layers.norm_act import BatchNormAct2d  # noqa: E402


def knows_encoder(name: str) -> bool:
    """Whether timm has an encoder of that name; all of timm is imported before it has not."""
    if not timm.is_model(name):
        complete(timm.models)
    return bool(timm.is_model(name))


__all__ = [
    "ASPP",
    "BatchNormAct2d",
    "Conv2dReLU",
    "PSPModule",
    "initialize_decoder",
    "initialize_head",
    "knows_encoder",
    "no_compiler",
    "smp",
    "timm",
]
