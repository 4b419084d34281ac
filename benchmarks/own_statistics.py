"""What BatchNorm statistics of the scans themselves bring, which needs no labels (AdaBN).

Run ``python -m benchmarks.own_statistics DATASET --patients S01 S02``. The model's running means
and variances are mixed with those of the named patients' own B-scans (Li et al., Pattern
Recognition 80:109, 2018), and the result is scored on these B-scans.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.zero_shot import format_table, score, take_patients
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.infer.predictor import Predictor
from napari_retseg.learn.samples import SampleStore
from napari_retseg.models import find_model
from napari_retseg.nets.bundle import Model, load_model

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
#: B-scans that go through the network at once; their statistics are averaged.
BATCH = 11


def measure_statistics(model: Model, dataset: Dataset) -> dict[str, Tensor]:
    """Running means and variances of a network, of these scans alone."""
    store = SampleStore(dataset, model.info.preprocess, dims=2)
    list(store.load())
    network = copy.deepcopy(model.network).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.reset_running_stats()
            module.momentum = None  # the plain mean of all batches
    samples = [torch.from_numpy(np.asarray(store.read(i).image)) for i in range(len(store))]
    with torch.no_grad():
        for first in range(0, len(samples), BATCH):
            network(torch.stack(samples[first : first + BATCH]).float())
    return {name: value for name, value in network.state_dict().items() if "running" in name}


def mix(network: nn.Module, own: dict[str, Tensor], share: float) -> nn.Module:
    """Return a copy whose statistics are a mean of its own and of others."""
    mixed = copy.deepcopy(network)
    state = mixed.state_dict()
    mixed.load_state_dict(
        state | {name: torch.lerp(state[name], value, share) for name, value in own.items()}
    )
    return mixed


def main() -> None:
    """Score each share and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--patients", nargs="+", required=True)
    arguments = parser.parse_args()
    dataset = take_patients(load_dataset(arguments.dataset), arguments.patients)
    training = dataset.model_copy(
        update={"cases": tuple(c.model_copy(update={"split": "train"}) for c in dataset.cases)}
    )
    model = load_model(find_model(arguments.model))
    own = measure_statistics(model, training)
    rows = {}
    for share in SHARES:
        network = mix(model.network, own, share)
        rows[f"{share:g} own"] = score(Predictor(network, model.info, PredictConfig()), dataset)
    print(format_table(rows))


if __name__ == "__main__":
    main()
