"""The copied command does what the dock does."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import yaml

from napari_retseg.cli import app
from napari_retseg.config import TrainConfig
from napari_retseg.engine import TrainJob
from napari_retseg.events import Event, Finished
from napari_retseg.rounds import train_command

#: A value for each text field that is not its default.
TEXTS: dict[str, str] = {
    "arch": "linknet",
    "encoder": "tu-resnet10t",
    "strategy": "encoder-stages:2",
    "loss": "0.4*wce + 0.6*tversky(alpha=0.2, beta=0.8)",
    "class_weights": "0.2,1,1",
    "crop": "320x256",
    "resize": "spacing:3.9x11.6",
    "fit": "multiple:32",
    "window": "256x256/170",
    "augment": "strong,vertical-flip=0.5,elastic=0.02",
    "rehearse": "/data/older set/Dr. O'Neil",
    "split": "fold:2/4",
}


def _other_value(name: str) -> Any:
    """Choose a value that is not the default."""
    field = TrainConfig.model_fields[name]
    if name in TEXTS:
        return TEXTS[name]
    if name in ("keep_start", "rehearse_simulated"):  # a number or a word
        return 0.123456789012345
    if get_origin(field.annotation) is Literal:
        return next(value for value in get_args(field.annotation) if value != field.default)
    if field.annotation is bool:
        return not field.default
    if field.annotation is int:
        return field.default + 2 if name != "neighbours" else 3
    assert field.annotation is float, name
    return 0.123456789012345 if field.default != 1 else 1e-7


@pytest.fixture
def run_line(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command line; the job that it would have run comes back."""
    from napari_retseg.cli import running

    def run(line: str) -> tuple[TrainJob, str | None]:
        found: list[Any] = []

        def take(job: TrainJob, *, scheduler: str | None, cancel: object) -> list[Event]:
            found.append((job, scheduler))
            return [Finished(result={"model": "m"})]

        monkeypatch.setattr(running, "run_job", take)
        program, *arguments = shlex.split(line)
        assert program == "napari-retseg"
        with pytest.raises(SystemExit) as ended:
            app(arguments)
        assert ended.value.code == 0
        return found[0]  # type: ignore[no-any-return]

    return run


@pytest.mark.parametrize("name", TrainConfig.model_fields)
def test_every_field_comes_back(name: str, run_line: Any, tmp_path: Path) -> None:
    values = {name: _other_value(name)}
    config = TrainConfig(**values, **({"dims": "2.5"} if name == "neighbours" else {}))
    line = train_command(
        tmp_path / "work space", config, output=tmp_path / "run", start=None, scheduler=None
    )
    job, scheduler = run_line(line)
    assert job.config == config
    assert scheduler is None
    assert (job.dataset_path, job.output) == (tmp_path / "work space", tmp_path / "run")
    assert (job.start, job.resume) == (None, False)
    assert line.count(" --") == 1 + len(config.model_fields_set)


def test_defaults_are_left_out(tmp_path: Path) -> None:
    line = train_command(
        tmp_path, TrainConfig(iterations=0), output=tmp_path / "r", start=None, scheduler=None
    )
    assert line == f"napari-retseg train {tmp_path} --output {tmp_path / 'r'}"


def test_model_and_scheduler_are_named_and_paths_are_absolute(
    run_line: Any, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(minutes=2.5, deterministic=True)
    line = train_command(
        Path("-data"), config, output=Path("run"), start=Path("tiny"), scheduler="tcp://gpu:8786"
    )
    job, scheduler = run_line(line)
    assert scheduler == "tcp://gpu:8786"
    assert job.dataset_path == tmp_path / "-data"
    assert job.start == tiny_bundle
    assert job.config == config
    assert line.endswith("--scheduler tcp://gpu:8786 --minutes 2.5 --deterministic")


def test_a_resumed_run_names_only_what_changed(run_line: Any, tmp_path: Path) -> None:
    own = TrainConfig(lr=0.5, device="cuda", seed=3)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(own.model_dump(mode="json")))
    config = own.model_copy(update={"device": "auto"})
    line = train_command(
        tmp_path, config, output=run, start=tmp_path / "gone", scheduler=None, resume=True
    )
    assert line.endswith("--resume --device auto")
    job, _ = run_line(line)
    assert job.config == config
    assert (job.resume, job.start) == (True, None)


def test_a_text_that_looks_like_an_option_is_a_value(run_line: Any, tmp_path: Path) -> None:
    config = TrainConfig(rehearse="--older")
    line = train_command(tmp_path, config, output=tmp_path / "r", start=None, scheduler=None)
    job, _ = run_line(line)
    assert job.config == config
