"""The root of the commands: every failure ends here as one line and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from napari_retseg.cli.terminal import complain, echo
from napari_retseg.errors import UsageError
from napari_retseg.failures import explain, is_foreseen, one_line

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
DEBUG = "--debug"


class CommandGroup(TyperGroup):
    """A group of commands that turns an exception into ``error: ...`` and an exit code.

    ``--debug`` may stand anywhere on the line and lets the traceback through.
    """

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line and exit (or return the exit code where not standalone)."""
        given = sys.argv[1:] if args is None else args
        if not given:
            args = ["--help"]
        try:
            code = super().main(
                args,
                prog_name or "napari-retseg",
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                **extra,
            )
        except Exception as error:
            if DEBUG in given and not standalone_mode:
                raise
            line, code = describe_failure(error)
            if DEBUG in given:
                echo("".join(traceback.format_exception(error)).rstrip(), sys.stderr, keep="\n")
            else:
                complain(line)
        code = code if isinstance(code, int) else 0
        if standalone_mode:
            sys.exit(code)
        return code

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an interrupt is a failure like others."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Abort from error

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take ``--debug`` out, wherever it stands."""
        return super().parse_args(ctx, [arg for arg in args if arg != DEBUG])


def describe_failure(error: BaseException) -> tuple[str, int]:
    """Return one line that says what went wrong, and the exit code that goes with it."""
    if isinstance(error, UsageError):
        return one_line(error), WRONG_USAGE
    if isinstance(error, ValidationError):
        return describe_invalid(error), WRONG_USAGE
    if isinstance(error, typer.Abort):
        return "interrupted", INTERRUPTED
    if hasattr(error, "format_message"):
        return _describe_usage(error)
    return describe_failed_input(error), FAILED


def describe_failed_input(error: BaseException) -> str:
    """Return one line that says why an input failed; one that nobody foresaw is called a fault."""
    line = explain(error)
    return (
        line
        if is_foreseen(error)
        else f"{line} (a bug in napari-retseg: {DEBUG} shows the traceback)"
    )


def name_input(path: object, line: str) -> str:
    """Put the input before a line that does not name it."""
    return line if one_line(path) in line else f"{path}: {line}"


def describe_invalid(error: ValidationError) -> str:
    """Name the options that a configuration refuses, and why."""
    found = []
    for problem in error.errors(include_url=False):
        reason = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:  # a single option; otherwise several that do not go together
            option = "--" + "-".join(str(part) for part in problem["loc"]).replace("_", "-")
            reason = f"{option} {problem['input']!r}: {reason}"
        found.append(reason)
    return one_line("; ".join(found))


def _describe_usage(error: Any) -> tuple[str, int]:
    """Describe what the parser refused, with where to read on."""
    message = one_line(error.format_message()).replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f"; see {context.command_path} --help" if context is not None else ""
    return f"{message}{hint}", int(error.exit_code)
