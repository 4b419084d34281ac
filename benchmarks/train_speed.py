"""Speed of a training step: its parts, and against a plain loop, in one run.

Run ``python benchmarks/train_speed.py [--steps 15]``. Steps of the two loops alternate, so that
both meet the same load of the machine. The plain loop is the usual one: per-sample augmentation
in numpy and scipy, fp32, default memory layout, the same network, loss and optimizer.

Printed: the share of a step that goes by outside the network (sampling, augmentation, transfer),
and the ratio of the medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from scipy import ndimage

from napari_retseg.classes import IGNORE
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.budget import Budget
from napari_retseg.learn.losses import build_loss
from napari_retseg.learn.schedule import learning_rate
from napari_retseg.learn.setup import prepare
from napari_retseg.learn.state import TrainingState
from napari_retseg.learn.step import take_step
from napari_retseg.nets.build import build_seeded
from napari_retseg.simulate import make_device_config, simulate_dataset


class OwnLoop:
    """The steps of ``napari-retseg train`` with its defaults."""

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        self._setup = prepare(load_dataset(folder), config, start=None)
        self.batches = Batches(self._setup)
        list(self.batches.load())
        self._state = TrainingState(self._setup)
        self._loss = build_loss(config.loss, weights=None)
        self._budget = Budget.of(config, n_samples=len(self.batches.store), is_new=True)

    def step(self) -> tuple[float, float]:
        """Take a step; return its seconds, and those before the network."""
        began = time.perf_counter()
        state = self._state
        position = self._budget.schedule_position(state.iteration, 0.0)
        rate = learning_rate(self._setup.config, iteration=state.iteration, position=position)
        images, labels = self.batches.draw(state.iteration)
        drawn = time.perf_counter()
        take_step(state, self._loss, images, labels, rate=rate)
        return time.perf_counter() - began, drawn - began


class PlainLoop:
    """The usual loop, on the same samples."""

    def __init__(self, own: OwnLoop, config: TrainConfig) -> None:
        self._store = own.batches.store
        self._config = config
        self._rng = np.random.default_rng(0)
        self._network = build_seeded(own._setup.info.network, seed=0).train()
        self._optimizer = torch.optim.AdamW(self._network.parameters(), lr=config.lr)
        self._dice = smp.losses.DiceLoss(mode="multiclass", ignore_index=IGNORE, smooth=1.0)

    def step(self) -> float:
        """Take a step; return its seconds."""
        began = time.perf_counter()
        numbers = self._rng.integers(len(self._store), size=self._config.batch_size)
        pairs = [self._change(*self._read(int(number))) for number in numbers]
        images = torch.from_numpy(np.stack([image for image, _ in pairs]))
        labels = torch.from_numpy(np.stack([labels for _, labels in pairs])).long()
        logits = self._network(images)
        entropy = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORE)
        loss = 0.5 * entropy + 0.5 * self._dice(logits, labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return time.perf_counter() - began

    def _read(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Take a sample, padded to a multiple of 32."""
        sample = self._store.read(number)
        missing = [(0, -n % 32) for n in sample.labels.shape]
        image = np.pad(sample.image, [(0, 0), *missing], mode="edge")
        return image, np.pad(sample.labels, missing, constant_values=IGNORE)

    def _change(
        self, image: NDArray[np.float32], labels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        """Mirror, transform, change the grey values: what the preset ``oct`` does."""
        rng = self._rng
        if rng.random() < 0.5:
            image, labels = image[..., ::-1], labels[..., ::-1]
        matrix = np.diag(rng.uniform(0.85, 1.15, 2))
        matrix[0, 1] = rng.uniform(-0.1, 0.1)
        center = np.array(labels.shape) / 2
        offset = center - matrix @ center + [rng.uniform(-0.1, 0.1) * labels.shape[0], 0]
        image = ndimage.affine_transform(image[0], matrix, offset, order=1, mode="nearest")[None]
        labels = ndimage.affine_transform(
            labels, matrix, offset, order=0, mode="constant", cval=IGNORE
        )
        image = np.clip(image, 0, 1) ** np.exp(rng.uniform(-0.3, 0.3))
        image = (image - image.mean()) * rng.uniform(0.8, 1.2) + image.mean()
        noise = rng.normal(0, rng.uniform(0, 0.08), image.shape) * (0.3 + image)
        return (image + noise + rng.uniform(-0.1, 0.1)).astype(np.float32), labels


def main() -> None:
    """Time both loops and print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=15, help="of each loop, after two to warm up")
    parser.add_argument("--augment", default=TrainConfig().augment)
    arguments = parser.parse_args()
    config = TrainConfig(augment=arguments.augment)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        scans = make_device_config(n_bscans=4)
        simulate_dataset(data, count=3, seed=0, config=scans)
        own = OwnLoop(data, config)
    plain = PlainLoop(own, config)
    times = [(*own.step(), plain.step()) for _ in range(arguments.steps + 2)][2:]
    step, outside, usual = (statistics.median(column) for column in zip(*times, strict=True))
    share = statistics.median(before / whole for whole, before, _ in times)
    ratio = statistics.median(other / whole for whole, _, other in times)
    print(f"step        {step:.3f} s, of it {outside:.3f} s outside the network: {share:.1%}")
    print(f"plain loop  {usual:.3f} s: {ratio:.2f} times as long")


if __name__ == "__main__":
    main()
