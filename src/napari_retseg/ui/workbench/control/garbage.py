"""When Python looks through all objects for garbage, which stops every thread for a while."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEVER = 2**30


@contextmanager
def postpone_collections() -> Iterator[None]:
    """Look through new objects only, as long as this lasts.

    matplotlib makes so many objects that Python would look through all of them again and again:
    a tenth of a second in a viewer, in which its window stands still. Used on one thread at a time.
    """
    young, middle, old = gc.get_threshold()
    gc.set_threshold(young, middle, _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(young, middle, old)
