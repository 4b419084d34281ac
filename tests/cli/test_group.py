"""Every failure ends as one line and an exit code."""

from __future__ import annotations

import errno
import re
import subprocess
import sys

import pytest
import typer
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from napari_retseg import __version__
from napari_retseg.cli.group import CommandGroup, describe_invalid
from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError, UsageError
from tests.cli.conftest import Run, only_error


def _fail_with(error: BaseException, *options: str) -> Result:
    app = typer.Typer(cls=CommandGroup, rich_markup_mode=None)

    @app.callback()
    def root() -> None:
        """Keep the command a subcommand."""

    @app.command()
    def fail() -> None:
        raise error

    return CliRunner().invoke(app, ["fail", *options])


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (InputError("a.tif: cut\noff"), "error: a.tif: cut off", 1),
        (UsageError("give one of both"), "error: give one of both", 2),
        (
            OSError(errno.ENOSPC, "No space left on device", "out/a.png"),
            "error: out/a.png: No space left on device",
            1,
        ),
        (PermissionError(errno.EACCES, "Permission denied"), "error: Permission denied", 1),
        (KeyboardInterrupt(), "error: interrupted", 130),
        (typer.BadParameter("too small"), "error: Invalid value: too small", 2),
    ],
)
def test_a_failure_is_one_line(error: BaseException, line: str, code: int) -> None:
    result = _fail_with(error)
    assert result.exit_code == code
    assert only_error(result).startswith(line)


def test_lack_of_memory_says_what_to_do() -> None:
    assert "out of memory" in only_error(_fail_with(MemoryError()))


def test_a_fault_of_ours_is_one_line_that_says_so() -> None:
    result = _fail_with(ZeroDivisionError("division by zero"))
    assert result.exit_code == 1
    assert re.fullmatch(
        r"error: ZeroDivisionError: division by zero \(a bug in napari-retseg: .*\)\n",
        result.stderr,
    )


@pytest.mark.parametrize("error", [InputError("a\x1b[2J.tif: cut"), ZeroDivisionError("\x1b[2J")])
def test_debug_shows_the_traceback(error: Exception) -> None:
    result = _fail_with(error, "--debug")
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback")
    assert "test_group.py" in result.stderr
    assert "\\x1b[2J" in result.stderr
    assert "\x1b" not in result.stderr


def test_no_arguments_show_the_help(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    assert "Commands:" in result.output


def test_version(run: Run) -> None:
    assert run("--version").output == f"napari-retseg {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predcit",), "predcit"),
        (("predict", "a.png"), "--output"),
        (("predict", "a.png", "--output", "o", "--device", "tpu"), "--device"),
        (("models",), "Missing command"),
        (("train", "data", "--output", "o", "--speed", "1"), "--speed"),
    ],
)
def test_wrong_usage_is_one_line_with_exit_code_2(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in only_error(result)


@pytest.mark.parametrize(
    "command",
    ["demo", "info", "import", "predict", "train", "evaluate", "models", "simulate", "gui"],
)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    result = run(command, "-h")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: napari-retseg {command}")


def test_the_program_exits_with_the_code() -> None:
    command = [sys.executable, "-m", "napari_retseg", "info", "no-such-file.png"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no-such-file.png")
    assert done.stderr.count("\n") == 1


def test_options_that_do_not_go_together_are_one_line() -> None:
    with pytest.raises(ValidationError) as caught:
        TrainConfig(epochs=2, minutes=3)
    assert describe_invalid(caught.value) == "give epochs or minutes, not both"
