"""Noise that is a function of seed and pixel: the same on every device and in every batch."""

from __future__ import annotations

import torch

#: Mean and standard deviation of the sum of four uniform bytes.
_MEAN = 510.0
_STD = (4 * (256**2 - 1) / 12) ** 0.5
#: Multipliers and shifts of the mixing function, the multipliers as signed 32-bit integers.
_MIX = ((16, 0x7FEB352D), (15, 0x846CA68B - 2**32))
#: Lateral extent of the largest grain, in pixels.
LARGEST_GRAIN = 3


def mix_bits(numbers: torch.Tensor) -> torch.Tensor:
    """Scramble 32-bit integers, in place; each input has its own output.

    Two rounds of shift, exclusive or and multiplication, with the constants that C. Wellons
    found for the least bias (lowbias32, "Prospecting for Hash Functions", 2018).

    Parameters
    ----------
    numbers
        int32, any shape.
    """
    shifted = torch.empty_like(numbers)
    for shift, factor in _MIX:
        _xor_shifted(numbers, shift, shifted)
        numbers.mul_(factor)
    return _xor_shifted(numbers, 16, shifted)


def _xor_shifted(numbers: torch.Tensor, shift: int, buffer: torch.Tensor) -> torch.Tensor:
    """Exclusive or with the number itself, shifted right without its sign; in place."""
    torch.bitwise_right_shift(numbers, shift, out=buffer)
    return numbers.bitwise_xor_(buffer.bitwise_and_(2 ** (32 - shift) - 1))


def _sum_bytes(shape: tuple[int, ...], seeds: torch.Tensor) -> torch.Tensor:
    """Draw the sum of four random bytes for each pixel: int32 ``(n, *shape)``."""
    n_pixels = int(torch.Size(shape).numel())
    pixels = torch.arange(n_pixels, dtype=torch.int32, device=seeds.device)
    bits = mix_bits(pixels ^ seeds[:, None])
    upper = (bits >> 8).bitwise_and_(0xFF00FF)
    pairs = bits.bitwise_and_(0xFF00FF).add_(upper)
    torch.bitwise_right_shift(pairs, 16, out=upper)
    return pairs.bitwise_and_(0xFFFF).add_(upper).view(len(seeds), *shape)


def make_grainy_noise(
    shape: tuple[int, ...], seeds: torch.Tensor, grain: torch.Tensor, strength: torch.Tensor
) -> torch.Tensor:
    """Make nearly Gaussian noise of mean 0 that is correlated along the last axis.

    Each number is a sum of four random bytes or more. It has no state, so it runs on all cores
    and a sample's noise does not depend on the others in its batch.

    Parameters
    ----------
    shape
        Of one sample.
    seeds
        ``(n,)``, int32.
    grain
        ``(n,)``, 1 to 3 pixels: how many neighbours are averaged, the last one in part.
    strength
        ``(n,)``, standard deviation.

    Returns
    -------
    noise
        ``(n, *shape)``, float32.
    """
    width = shape[-1]
    white = _sum_bytes((*shape[:-1], width + LARGEST_GRAIN - 1), seeds).to(torch.float32)
    weights = torch.stack([(grain - k).clamp(0, 1) for k in range(LARGEST_GRAIN)])
    weights = weights * strength / (weights.square().sum(0).sqrt() * _STD)
    weights = weights.view(LARGEST_GRAIN, -1, *(1 for _ in shape))
    noise = white.narrow(-1, 0, width) * weights[0]
    for k in range(1, LARGEST_GRAIN):
        noise.addcmul_(white.narrow(-1, k, width), weights[k])
    return noise.sub_(weights.sum(0).mul_(_MEAN))
