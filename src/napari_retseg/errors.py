"""Errors that a user can cause and mend: one clear line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class RetsegError(Exception):
    """A failure with a message for the user: what, which file, what to do.

    The command line prints it as one line and the docks show it as one sentence; only
    ``--debug`` shows a traceback.
    """


class InputError(RetsegError):
    """A file or folder that cannot be used as given."""


class NotThereError(InputError):
    """A file that is not there."""


class OutsideError(InputError):
    """A dataset that refers to scans outside its folder, which nobody has allowed it.

    Attributes
    ----------
    outside
        The first of them, as the dataset names it.
    """

    def __init__(self, message: str, outside: str = "") -> None:
        super().__init__(message)
        self.outside = outside


class ModelError(RetsegError):
    """A model bundle that cannot be used, or does not fit the data."""


class UsageError(RetsegError):
    """Options that do not go together; the command line ends with exit code 2."""


class JobError(RetsegError):
    """A job that failed in its worker, or whose worker died."""


class UnseenError(JobError):
    """A worker does not see the files of the machine that sent the job."""


@contextmanager
def explaining(path: object, what: str, *, advice: str = "") -> Iterator[None]:
    """Say in one line what the system refuses: ``PATH: cannot be read (permission denied)``.

    Parameters
    ----------
    path
        What it is about.
    what
        What cannot be done.
    advice
        What to do now.

    Raises
    ------
    InputError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        ending = f"; {advice}" if advice else ""
        raise InputError(f"{path}: {what} ({error.strerror or error}){ending}") from error
