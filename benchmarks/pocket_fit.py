"""Fit the small network that tells a clicked pocket of fluid, and write its weights.

It learns from clicks on simulated B-scans alone, with the layers that the starter predicts, with
and without its probability of fluid, and without any layers. The loss is one minus the soft Dice
of each click, so that small pockets count as much as large ones.

Run ``python -m benchmarks.pocket_fit [--count 150] [--steps 1000]``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.pocket_click import LAYERS, Bscan, list_clicks, predict, simulate
from napari_retseg.decode import pocket_click
from napari_retseg.decode.pocket_features import Surroundings, describe
from napari_retseg.decode.pocket_regions import find_retina

SEED, SMALLEST = 606060, 60
WIDTH, BATCH, RATE, DECAY = 16, 48, 5e-3, 1e-4
#: Pixels by which a soft Dice is moved towards 1, and the share of the cross-entropy.
_SOFTNESS, _ENTROPY = 20, 0.1

Click = tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]


def describe_clicks(bscans: Iterator[Bscan], clicks: int) -> list[Click]:
    """Features, truth and weight of some pixels around each click, and the pocket's pixels."""
    rng, found = np.random.default_rng(3), []
    for grey, labels in bscans:
        layers, probability = predict(grey)
        for pocket, (row, column) in list_clicks(labels, rng, clicks=clicks, smallest=SMALLEST):
            part = tuple(
                slice(max(0, k - r), k + r + 1)
                for k, r in zip((row, column), pocket_click.REACH, strict=True)
            )
            for known, said in ((layers, None), (layers, probability), (0 * layers, None)):
                retina = find_retina(known[:, part[1]], LAYERS)[part[0]]
                click = (row - part[0].start, column - part[1].start)
                if not retina[click]:
                    continue
                said_here = None if said is None else said[part]
                features, pixels = describe(
                    Surroundings(
                        click, grey[part].astype(np.float32), retina, known[part], said_here
                    )
                )
                kept, weight = draw_pixels(len(features), rng)
                truth = pocket[part].ravel()[pixels[kept]]
                numbers = (features[kept], truth.astype(np.float32), weight)
                found.append((*(torch.tensor(n) for n in numbers), float(pocket.sum())))
    return found  # type: ignore[return-value]


def draw_pixels(
    count: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Draw fewer of those that are reached late, and say how many each stands for."""
    ends = np.concatenate([np.arange(0, 300, 2), np.geomspace(300, 5e4, 700), [count]])
    ends = np.unique(ends.astype(np.intp)[ends <= count])
    return rng.integers(ends[:-1], ends[1:]), np.diff(ends).astype(np.float32)


class Network(torch.nn.Module):
    """Two hidden layers over scaled features."""

    def __init__(self, clicks: list[Click]) -> None:
        super().__init__()
        features = torch.cat([c[0][::7] for c in clicks])
        self.mean, self.deviation = features.mean(0), features.std(0) + 1e-3
        self.first = torch.nn.Linear(features.shape[1], WIDTH)
        self.second = torch.nn.Linear(WIDTH, WIDTH // 2)
        self.last = torch.nn.Linear(WIDTH // 2, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Log-odds of each pixel."""
        values = ((features - self.mean) / self.deviation).clamp(-4, 4)
        for layer in (self.first, self.second):
            values = torch.relu(layer(values))
        odds: torch.Tensor = self.last(values).squeeze(-1)
        return odds

    def write(self, place: Path) -> None:
        """Write the weights as :mod:`napari_retseg.decode.pocket_click` reads them."""
        arrays: dict[str, Any] = {
            "mean": self.mean.numpy(),
            "deviation": self.deviation.numpy(),
            "last": self.last.weight[0].detach().numpy(),
            "last_bias": self.last.bias.detach().numpy(),
        }
        for name, layer in (("first", self.first), ("second", self.second)):
            arrays[name] = layer.weight.T.detach().numpy()
            arrays[f"{name}_bias"] = layer.bias.detach().numpy()
        np.savez(place, **arrays)


def measure_loss(network: Network, clicks: list[Click]) -> torch.Tensor:
    """The mean over clicks."""
    losses = []
    for features, truth, weight, size in clicks:
        odds = network(features)
        likely = torch.sigmoid(odds)
        both = (weight * likely * truth).sum()
        dice = (2 * both + _SOFTNESS) / ((weight * likely).sum() + size + _SOFTNESS)
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(
            odds, truth, weight, reduction="sum"
        )
        losses.append(1 - dice + _ENTROPY * (entropy / max(size, 100)).clamp(max=5))
    return torch.stack(losses).mean()


def fit(clicks: list[Click], steps: int) -> Network:
    """Fit to clicks, each of which counts the same."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = Network(clicks)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        drawn = [clicks[k] for k in rng.integers(0, len(clicks), BATCH)]
        optimizer.zero_grad()
        measure_loss(network, drawn).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    clicks = describe_clicks(simulate(options.count, SEED), 2)
    place = Path(pocket_click.__file__).with_name("pocket_weights.npz")
    fit(clicks, options.steps).write(place)
    print(f"{len(clicks)} clicks: {place.name}")


if __name__ == "__main__":
    main()
