"""Options made from a configuration model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import BaseModel, Field
from typer.testing import CliRunner

from napari_retseg.cli.options import given_values, options_of, read_config
from napari_retseg.cli.train import merge_options
from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError
from tests.cli.conftest import Run, only_error


class SampleConfig(BaseModel):
    """A model with one field of each kind."""

    rounds: Annotated[int, Field(ge=1)] = Field(3, description="how often")
    rate: float = 0.5
    mode: Literal["fast", "slow"] = "fast"
    strict: bool = True
    weights: tuple[float, ...] | None = None


def _received(*arguments: str) -> dict[str, Any]:
    app = typer.Typer(rich_markup_mode=None)
    received: dict[str, Any] = {}

    @app.command()
    @options_of(SampleConfig)
    def command(name: str, **options: Any) -> None:
        received.update(given_values(SampleConfig, options), name=name)

    result = CliRunner().invoke(app, ["scan", *arguments])
    assert result.exit_code == 0, result.output
    return received


def test_only_given_options_arrive() -> None:
    assert _received() == {"name": "scan"}


def test_values_have_the_type_of_their_field() -> None:
    found = _received("--rounds", "5", "--rate", "0.25", "--mode", "slow", "--no-strict")
    assert found == {"name": "scan", "rounds": 5, "rate": 0.25, "mode": "slow", "strict": False}


def test_other_types_are_read_as_yaml() -> None:
    assert _received("--weights", "[1, 2.5]")["weights"] == [1, 2.5]


def test_train_has_an_option_for_every_field(run: Run) -> None:
    text = run("train", "--help").output
    for name in TrainConfig.model_fields:
        assert f"--{name.replace('_', '-')} " in text


def test_help_names_default_and_description(run: Run) -> None:
    text = " ".join(run("train", "--help").output.split())
    assert f"Number of samples in a batch. [default: {TrainConfig().batch_size}]" in text


def test_options_win_over_the_file_and_the_file_over_the_run(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("lr: 0.1\nseed: 1\niterations: 10\n")
    file = tmp_path / "mine.yaml"
    file.write_text("batch-size: 2\nseed: 2\nlr: 0.2\n")
    merged = merge_options(tmp_path, file, {"lr": 0.3, "ema": None}, resume=True)
    assert merged == {"lr": 0.3, "seed": 2, "iterations": 10, "batch_size": 2}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"- a\n- b\n", "not a list of options"),
        (b"a: [1\n", "cannot be read as YAML"),
        (b"\xff\xfe\x00", "cannot be read as YAML"),
        (b"a: !!python/object/apply:os.getcwd []\n", "cannot be read as YAML"),
    ],
)
def test_a_file_that_holds_no_options_is_refused(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=reason) as caught:
        read_config(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("--lr", "-1"), "--lr"),
        (("--lr", "much"), "--lr"),
        (("--crop", "wide"), "--crop"),
        (("--schedule", "cubic"), "--schedule"),
        (("--batch-size", "0"), "--batch-size"),
    ],
)
def test_a_value_out_of_range_names_its_option(
    run: Run, tmp_path: Path, arguments: tuple[str, str], option: str
) -> None:
    result = run("train", tmp_path, "--output", tmp_path / "run", *arguments)
    assert result.exit_code == 2
    assert option in only_error(result)


def test_a_field_that_no_one_knows_is_named(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("learning_speed: 3\n")
    result = run("train", tmp_path, "--output", tmp_path / "run", "--config", file)
    assert result.exit_code == 2
    assert "--learning-speed" in only_error(result)
