"""What killing napari costs the user, who paints, drags and confirms meanwhile.

Run ``python -m benchmarks.kills --kills 50`` in the repository's folder, with a display
(``xvfb-run -a`` gives one). napari is started, painted in by a script, and killed at a random
moment, again and again on the same workspace; each time the workspace is opened again and compared
with what the script did. No confirmed B-scan and no stroke older than a second may be lost. With
``--hand curves`` the script drags boundaries and clicks pockets, by mouse and keys; with ``mixed``
it paints, too.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.ui.workbench.safety.killing import HANDS, kill_often, make_workspace


def main() -> None:
    """Kill, look, and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hand", choices=list(HANDS), default="brush")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NAPARI_RETSEG_STATE"] = str(folder / "state")
        began = time.monotonic()
        space = make_workspace(folder)
        report = kill_often(space, arguments.kills, seed=arguments.seed, hand=arguments.hand)
        seconds = round(time.monotonic() - began)
    print(json.dumps({**asdict(report), "seconds": seconds, "load": os.getloadavg()}, indent=2))


if __name__ == "__main__":
    main()
