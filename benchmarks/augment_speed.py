"""Speed of the random changes, and of those of torchvision and kornia, in one run.

Run ``python benchmarks/augment_speed.py [--repeats 15]``. The same generic changes (flip,
rotation, scale, shift, shear, elastic, gamma, contrast, blur) are applied to batches of images
with labels, in turns, by

- napari-retseg, one sampling grid for all of them,
- torchvision's v2 transforms on ``tv_tensors``, once for the batch (one draw for all samples) and
  once for each sample, and
- kornia's ``AugmentationSequential`` (left out where kornia is not installed).

Each is also asked whether its labels come out right: 255 where nothing was, no label that was
not there, labels over their pixels, and a draw for each sample. Only ours can be repeated from a
stored draw; the others would have to restore torch's global random state (torchvision), or keep
their parameters (kornia).
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from napari_retseg.config import AUGMENT_PRESETS
from napari_retseg.learn.augment import apply_augment, draw_augment

Pair = tuple[torch.Tensor, torch.Tensor]
Change = Callable[[torch.Tensor, torch.Tensor], Pair]

IGNORE = 255
ROTATION, SCALE, SHIFT, SHEAR = 8.0, 0.25, 0.15, 0.15
ELASTIC, GAMMA, CONTRAST, BLUR = 0.02, 0.5, 0.3, 1.2
GENERIC = AUGMENT_PRESETS["none"].model_copy(
    update={
        "flip": 0.5,
        "rotation": ROTATION,
        "scale": SCALE,
        "shift": SHIFT,
        "shear": SHEAR,
        "elastic": ELASTIC,
        "gamma": GAMMA,
        "contrast": CONTRAST,
        "blur": BLUR,
    }
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A way to change a batch; `geometry` leaves the grey values alone."""

    name: str
    change: Change
    geometry: Change


def own(config: Any) -> Change:
    """Change with this package; the draw is part of the time."""
    seeds = iter(range(10**9))

    def change(images: torch.Tensor, labels: torch.Tensor) -> Pair:
        rng = np.random.default_rng(next(seeds))
        return apply_augment(images, labels, draw_augment(config, len(images), rng))

    return change


def torchvision_transform(*, grey: bool, sigma: float = 5.0) -> Change:
    """Change with torchvision: one draw for all that is passed in.

    The elastic field has torchvision's default sigma, which is much rougher than ours.
    """
    from torchvision import tv_tensors  # type: ignore[import-untyped]
    from torchvision.transforms import (  # type: ignore[import-untyped]
        InterpolationMode,
        v2,
    )

    fill: Any = {tv_tensors.Image: 0, tv_tensors.Mask: IGNORE}
    steps: list[Any] = [
        v2.RandomHorizontalFlip(0.5),
        v2.RandomAffine(
            ROTATION,
            translate=(SHIFT, SHIFT),
            scale=(1 - SCALE, 1 + SCALE),
            shear=(0, 0, -10, 10),
            interpolation=InterpolationMode.BILINEAR,
            fill=fill,
        ),
        v2.ElasticTransform(alpha=10 * sigma, sigma=sigma, fill=fill),
    ]
    if grey:
        steps += [
            v2.Lambda(adjust_gamma, tv_tensors.Image),
            v2.ColorJitter(contrast=(1 - CONTRAST, 1 + CONTRAST)),
            v2.RandomApply([v2.GaussianBlur(9, (0.1, BLUR))], 0.5),
        ]
    transform = v2.Compose(steps)

    def change(images: torch.Tensor, labels: torch.Tensor) -> Pair:
        image, mask = transform(tv_tensors.Image(images), tv_tensors.Mask(labels))
        return image.as_subclass(torch.Tensor), mask.as_subclass(torch.Tensor)

    return change


def adjust_gamma(image: torch.Tensor) -> torch.Tensor:
    """Draw and apply a gamma, for which torchvision has a function and no transform."""
    from torchvision.transforms.v2 import functional  # type: ignore[import-untyped]

    exponent = float(torch.empty(1).uniform_(-GAMMA, GAMMA).exp())
    changed: torch.Tensor = functional.adjust_gamma(image, exponent)
    return changed


def each_sample(change: Change) -> Change:
    """Apply a change to each sample apart, so that each has its own draw."""

    def apply(images: torch.Tensor, labels: torch.Tensor) -> Pair:
        pairs = [change(i[None], x[None]) for i, x in zip(images, labels, strict=True)]
        return torch.cat([image for image, _ in pairs]), torch.cat([label for _, label in pairs])

    return apply


def kornia_sequence(*, grey: bool) -> Change:
    """Change with kornia, one draw for each sample."""
    from kornia import augmentation

    angles, amount = (-10.0, 10.0), ELASTIC * 50
    steps: list[Any] = [
        augmentation.RandomHorizontalFlip(p=0.5),
        augmentation.RandomAffine(
            ROTATION,
            translate=(SHIFT, SHIFT),
            scale=(1 - SCALE, 1 + SCALE),
            shear=(0.0, 0.0, *angles),
            padding_mode="border",
            p=1.0,
        ),
        augmentation.RandomElasticTransform(
            (63, 63), (32.0, 32.0), (amount, amount), padding_mode="border", p=1.0
        ),
    ]
    if grey:
        steps += [
            augmentation.RandomGamma((float(np.exp(-GAMMA)), float(np.exp(GAMMA))), p=1.0),
            augmentation.RandomContrast((1 - CONTRAST, 1 + CONTRAST), p=1.0),
            augmentation.RandomGaussianBlur((9, 9), (0.1, BLUR), p=0.5),
        ]
    sequence = augmentation.AugmentationSequential(*steps, data_keys=["input", "mask"])

    def change(images: torch.Tensor, labels: torch.Tensor) -> Pair:
        image, mask = sequence(images, labels[:, None].float())
        return image, mask[:, 0].round().long()

    return change


def list_contenders() -> list[Contender]:
    """Make all ways that are installed; ours is the first."""
    still = {"gamma": 0, "contrast": 0, "blur": 0}
    full, moves = (torchvision_transform(grey=grey) for grey in (True, False))
    contenders = [
        Contender("napari-retseg", own(GENERIC), own(GENERIC.model_copy(update=still))),
        Contender("torchvision v2, batch", full, moves),
        Contender("torchvision v2, each sample", each_sample(full), each_sample(moves)),
    ]
    if importlib.util.find_spec("kornia"):
        made = (kornia_sequence(grey=grey) for grey in (True, False))
        contenders.append(Contender("kornia", *made))
    return contenders


def measure(changes: dict[str, Change], batch: Pair, repeats: int) -> dict[str, list[float]]:
    """Time each change in turns, in milliseconds, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in changes}
    for turn in range(repeats + 1):
        for name, change in changes.items():
            began = time.perf_counter()
            change(*batch)
            if turn:
                times[name].append((time.perf_counter() - began) * 1e3)
    return times


def check_labels(contender: Contender, shape: tuple[int, int]) -> str:
    """Say what is right and wrong with the labels of a contender, in words."""
    torch.manual_seed(0)
    n = 4
    # all inside is class 3: any other number was made up, 255 is what came from outside
    images = torch.ones(n, 1, *shape)
    _, filled = contender.geometry(images, torch.full((n, *shape), 3))
    made_up = sorted(set(filled.flatten().tolist()) - {3, IGNORE})
    outside = f"WRONG outside: {made_up}" if made_up else "255 outside"
    if IGNORE not in filled:
        outside = "WRONG outside: the edge's label, or a class"
    # each column's number is its label and its grey value: half a pixel apart at most
    narrow = torch.arange(1, 250).expand(n, 240, -1).contiguous()
    moved, labels = contender.geometry(narrow[:, None].float() / 255, narrow)
    known = (labels != IGNORE) & (labels != 0)
    apart = ((moved[:, 0] * 255 - labels)[known].abs() > 1.5).float().mean()
    same = all(torch.equal(labels[0], other) for other in labels[1:])
    draws = "one draw for the batch" if same else "a draw for each sample"
    return f"{outside}; {float(apart):.1%} of labels > 1.5 px off their pixels; {draws}"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=2, default=(496, 384))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")  # what the libraries warn of each other
    depth, width = arguments.shape
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(arguments.batch, 1, depth, width, generator=generator)
    labels = torch.randint(0, 9, (arguments.batch, depth, width), generator=generator)
    contenders = list_contenders()
    presets = {f"preset {name}": own(config) for name, config in AUGMENT_PRESETS.items()}
    changes = {one.name: one.change for one in contenders} | presets
    times = measure(changes, (images, labels), arguments.repeats)
    ours = times[contenders[0].name]
    print(f"batch {tuple(images.shape)}, {arguments.threads} threads, {arguments.repeats} times\n")
    print("| changes | median ms | minimum ms | median / ours | minimum / ours |")
    print("|---|---|---|---|---|")
    for name, values in times.items():
        cells = (statistics.median(values), min(values))
        ratios = (cells[0] / statistics.median(ours), cells[1] / min(ours))
        print(f"| {name} | " + " | ".join(f"{cell:.1f}" for cell in (*cells, *ratios)) + " |")
    print()
    began = time.perf_counter()
    torchvision_transform(grey=False, sigma=40.0)(images[:1], labels[:1])
    seconds = time.perf_counter() - began
    print(f"torchvision v2, one sample, elastic field of sigma 40 px, once: {seconds:.1f} s\n")
    for contender in contenders:
        print(f"{contender.name}: {check_labels(contender, (depth, width))}")


if __name__ == "__main__":
    main()
