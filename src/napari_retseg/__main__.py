"""``python -m napari_retseg``: the command line."""

from __future__ import annotations

from napari_retseg.cli import main

main()
