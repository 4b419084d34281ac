"""The scoreboard: one table of what a model is worth, on every kind of data that there is."""

from napari_retseg.benchmark.board import Board, read_board
from napari_retseg.benchmark.running import run_board
from napari_retseg.benchmark.table import format_board, format_classes

__all__ = ["Board", "format_board", "format_classes", "read_board", "run_board"]
