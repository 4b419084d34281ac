"""The root of the commands: every failure ends here as one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from napari_retseg.errors import RetsegError, UsageError

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
            if DEBUG in given:
                raise
            line, code = describe_failure(error)
            typer.echo(f"error: {line}", err=True)
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
    if isinstance(error, RetsegError):
        return one_line(error), FAILED
    if isinstance(error, ValidationError):
        return describe_invalid(error), WRONG_USAGE
    if isinstance(error, typer.Abort):
        return "interrupted", INTERRUPTED
    if hasattr(error, "format_message"):
        return _describe_usage(error)
    if isinstance(error, OSError):
        return describe_os_error(error), FAILED
    if isinstance(error, MemoryError):
        return "out of memory; free some, or work on fewer or smaller scans", FAILED
    kind = type(error).__name__
    return f"{kind}: {one_line(error)} (a fault of napari-retseg: {DEBUG} shows where)", FAILED


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


def describe_os_error(error: OSError) -> str:
    """Say what the system refused, and for which file."""
    where = f"{error.filename}: " if error.filename else ""
    return one_line(f"{where}{error.strerror or error}")


def one_line(message: object) -> str:
    """Put a message on one line."""
    return " ".join(str(message).split())


def _describe_usage(error: Any) -> tuple[str, int]:
    """Describe what the parser refused, with where to read on."""
    message = one_line(error.format_message()).replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    hint = f"; see {context.command_path} --help" if context is not None else ""
    return f"{message}{hint}", int(error.exit_code)
