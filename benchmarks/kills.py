"""What killing napari costs the user, who paints and confirms meanwhile.

Run ``python -m benchmarks.kills --kills 50`` in the repository's folder, with a display
(``xvfb-run -a`` gives one). napari is started, painted in by a script, and killed at a random
moment, again and again on the same workspace; each time the workspace is opened again and compared
with what the script did. No confirmed B-scan and no stroke older than a second may be lost.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.ui.workbench.safety.killing import kill_often, make_workspace


def main() -> None:
    """Kill, look, and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NAPARI_RETSEG_STATE"] = str(folder / "state")
        began = time.monotonic()
        report = kill_often(make_workspace(folder), arguments.kills, seed=arguments.seed)
        seconds = round(time.monotonic() - began)
    print(json.dumps({**asdict(report), "seconds": seconds, "load": os.getloadavg()}, indent=2))


if __name__ == "__main__":
    main()
