"""Which sizes of input a network may be shown: those that its training has shown it.

At its deepest stage a network sees a small map only. Statistics over that map (instance
normalisation, global pooling, attention) and its borders change with its size, so that a network
can fail on a grid that is smaller, or larger, than those of its training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_retseg.config import NetworkConfig
from napari_retseg.nets.grid import pad_amount
from napari_retseg.nets.stride import stride_of

#: Fewest pixels that a side may have at a network's deepest stage.
DEEPEST = 2
#: Fewest voxels of a volume at the deepest stage: with fewer, the statistics of instance
#: normalisation are mostly noise.
DEEPEST_VOXELS = 27
#: 3D samples of up to so many voxels go through the network as a whole.
WHOLE_VOXELS = 128**3
#: Size of a window of larger ones, rounded up to the network's stride.
WINDOW = 96


#: 2D networks without group normalisation, global pooling or attention on their way from the
#: encoder to the logits.
_LOCAL = ("unet", "unetplusplus", "linknet")
_LOCAL_HEADS = ("plain", "fcn")


def sees_whole_input(network: NetworkConfig) -> bool:
    """Whether each pixel's logits depend on all of the input, and so on its size.

    The training of such a network also shows it inputs that lie partly beyond the scan's edges.
    """
    if network.dims == 3:
        return True
    return network.arch not in _LOCAL or network.head not in _LOCAL_HEADS


def smallest_sample(network: NetworkConfig) -> int:
    """Pixels that each side of a training sample needs: two at the network's deepest stage."""
    return DEEPEST * reduction_of(network)


def reduction_of(network: NetworkConfig) -> int:
    """By how much the sides shrink at the deepest stage."""
    if network.dims == 3:
        return stride_of(network)
    depth = network.options.get("encoder_depth", 5)
    return 2 ** int(depth) if isinstance(depth, int) else stride_of(network)


def round_up(size: Sequence[int], stride: int) -> tuple[int, ...]:
    """Round each number up to a multiple of `stride`."""
    return tuple(n + extra for n, extra in zip(size, pad_amount(size, stride), strict=True))


def plan_sample_size(
    network: NetworkConfig, shapes: Sequence[tuple[int, ...]], *, crop: tuple[int, ...] | None
) -> tuple[int, ...]:
    """Choose the size of a training's samples.

    Parameters
    ----------
    shapes
        Of the scans, as the network's input.
    crop
        What the user asks for; None: the size that holds every scan. In 3D, where that is more
        than 128 voxels cubed, at most 96 voxels along each axis.
    """
    stride = stride_of(network)
    if crop is not None:
        return round_up(crop, stride)
    largest = tuple(max(lengths) for lengths in zip(*shapes, strict=True))
    size = round_up(plan_least(network, largest), stride)
    return limit_window(size, stride) if network.dims == 3 else size


def limit_window(size: tuple[int, ...], stride: int) -> tuple[int, ...]:
    """Cut a size in 3D to 96 voxels along each axis where it is more than 128 cubed."""
    if math.prod(size) <= WHOLE_VOXELS:
        return size
    (longest,) = round_up((WINDOW,), stride)
    return tuple(min(n, longest) for n in size)


def plan_least(network: NetworkConfig, size: tuple[int, ...]) -> tuple[int, ...]:
    """Choose the least input that holds `size` and is not too small for the deepest stage.

    There it has two pixels a side, and in 3D as many more along its shortest sides as make 27
    voxels.
    """
    fewest = smallest_sample(network)
    least = [max(fewest, n) for n in size]
    if network.dims == 2:
        return tuple(least)
    reduction = reduction_of(network)
    deepest = [math.ceil(n / reduction) for n in least]
    while math.prod(deepest) < DEEPEST_VOXELS:
        deepest[deepest.index(min(deepest))] += 1
    return tuple(max(n, reduction * m) for n, m in zip(least, deepest, strict=True))
