"""The product's loop in miniature, on simulated scans: predict, correct, fine-tune, predict."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_retseg.config import PredictConfig, TrainConfig
from napari_retseg.dataset import Case, Dataset, load_dataset, save_dataset
from napari_retseg.errors import UsageError
from napari_retseg.events import Cancel, CancelToken, Event, Finished, Message
from napari_retseg.infer.evaluate import evaluate
from napari_retseg.infer.predict import load_predictor, predict_labels
from napari_retseg.io import label_path, read_labels, write_labels
from napari_retseg.io.atomic import write_bytes
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import STARTER, find_model
from napari_retseg.overlay import draw_overlay, encode_png
from napari_retseg.plural import count_noun
from napari_retseg.runs.paths import RunPaths
from napari_retseg.samples import sample_folder
from napari_retseg.scoretable import format_table

#: B-scans of each training patient whose labels are taken as the user's corrections.
CORRECTED_PER_PATIENT = 2
#: Short, since the starting model knows the anatomy already.
TRAINING = TrainConfig(iterations=100, batch_size=4, score_every=25, ema=0.95)


def run_demo(
    output: Path, *, training: TrainConfig = TRAINING, cancel: Cancel | None = None
) -> Iterator[Event]:
    """Run the loop on the built-in simulated scans of device B.

    Parameters
    ----------
    output
        Gets ``workspace/`` (the corrected B-scans as a dataset), ``run/`` (the training),
        ``before/`` and ``after/`` (labels of the held-out B-scans) and ``overlays/``.

    Yields
    ------
    Event
        Those of scoring and training, messages in between, and :class:`Finished` with the
        scores ``before`` and ``after``.

    Raises
    ------
    UsageError
        Where `output` holds something already.
    """
    cancel = cancel or CancelToken()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UsageError(f"{output}: this folder is not empty; choose another one with --output")
    starter = find_model(STARTER)
    samples = load_dataset(sample_folder() / "device_b")
    yield Message(
        "The scans of this demo are simulated, so its scores say nothing about real scans. Model "
        f"'{STARTER}' was trained on other simulated scans, of many kinds of eyes and devices."
    )
    before = yield from _score_and_draw(starter, samples, output, "before", cancel)
    if before is None:
        return
    workspace = _take_corrections(samples, output / "workspace")
    yield Message(
        f"Fine-tuning on {count_noun(len(workspace.of_split('train')), 'corrected B-scan')} of "
        f"{count_noun(len(workspace.groups('train')), 'patient')}; "
        f"{count_noun(len(workspace.groups('val')), 'other patient')} held out."
    )
    for event in fine_tune(workspace, training, cancel, output=output / "run", start=starter):
        if not isinstance(event, Finished):
            yield event
        elif event.cancelled:
            yield event
            return
    tuned = RunPaths(output / "run").model
    after = yield from _score_and_draw(tuned, samples, output, "after", cancel)
    if after is None:
        return
    yield Message(
        f"Held-out simulated patients {', '.join(samples.groups('val'))}, before and after:"
    )
    yield from map(Message, format_table(after, before=before).splitlines())
    yield Message(f"Overlays: {output / 'overlays'}. Run: {output / 'run'}.")
    yield Finished(result={"before": before, "after": after, "model": str(tuned)})


def _take_corrections(samples: Dataset, folder: Path) -> Dataset:
    """Make a dataset of a few B-scans with their true labels, as a user would correct them."""
    cases: list[Case] = []
    for group in samples.groups("train"):
        own = [case for case in samples.of_split("train") if case.group == group]
        chosen = np.linspace(0, len(own) - 1, CORRECTED_PER_PATIENT + 2).round().astype(int)
        cases += [own[i] for i in chosen[1:-1]]
    cases += samples.of_split("val")
    copied = []
    for case in cases:
        paths = {"image": folder / "images" / case.image.name}
        shutil.copyfile(case.image, _make_parent(paths["image"]))
        if case.label is not None:
            paths["label"] = folder / "labels" / case.label.name
            shutil.copyfile(case.label, _make_parent(paths["label"]))
        copied.append(case.model_copy(update={k: p.resolve() for k, p in paths.items()}))
    update = {"root": folder.resolve(), "name": "demo", "cases": tuple(copied)}
    workspace = samples.model_copy(update=update)
    save_dataset(workspace)
    return workspace


def _score_and_draw(
    model: Path, samples: Dataset, output: Path, stage: str, cancel: Cancel
) -> Generator[Event, None, dict[str, Any] | None]:
    """Predict and score the held-out B-scans; write labels and overlays.

    Returns
    -------
    dict or None
        The scores' JSON; None where it was cancelled (said already).
    """
    predictor = load_predictor(model, PredictConfig())
    scores: dict[str, Any] | None = None
    for event in evaluate(predictor, samples, cancel=cancel):
        if not isinstance(event, Finished):
            yield event
        elif event.cancelled:
            yield event
            return None
        else:
            scores = event.result
    for case in samples.of_split("val"):
        scan = case.read_scan()
        labels = predict_labels(scan, predictor)
        write_labels(_make_parent(label_path(scan, output / stage)), labels, scan=scan)
        _draw(scan.read_bscan(0), labels, samples, output / "overlays" / f"{case.name}_{stage}.png")
        if stage == "before" and case.label is not None:
            reference = read_labels(case.label)
            path = output / "overlays" / f"{case.name}_reference.png"
            _draw(scan.read_bscan(0), reference, samples, path)
    return scores


def _draw(bscan: np.ndarray, labels: np.ndarray, samples: Dataset, path: Path) -> None:
    write_bytes(_make_parent(path), encode_png(draw_overlay(bscan, labels, samples.labels)))


def _make_parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
