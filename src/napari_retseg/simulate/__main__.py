"""Make the samples of this package again: ``python -m napari_retseg.simulate FOLDER``."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_retseg.simulate.samples import make_samples


def main() -> None:
    """Read the folder's name and make the samples there."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_retseg.simulate", description="Make the built-in samples again."
    )
    parser.add_argument("folder", type=Path, help="for instance sample_data")
    make_samples(parser.parse_args().folder)


if __name__ == "__main__":
    main()
