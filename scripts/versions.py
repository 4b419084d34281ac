"""Test the built wheel with the newest and with the oldest versions of what it needs.

``python scripts/versions.py WHEEL`` makes two environments under ``build/versions``:

- ``newest``: the newest Python at hand, and the newest version of everything;
- ``oldest``: the Python that runs this, and the floors that ``pyproject.toml`` declares.

In each, readers, datasets, the command line, networks and docks are tested: minutes, where
``make test`` tests everything in the developer's environment. An environment takes 7 GB, so one
is removed before the next is made, and the last at the end; with ``--keep`` they stay, and those
made before are used again.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "build" / "versions"
EXTRAS = ("all", "dicom-seg", "n4", "notebook", "oct", "onnx", "openvino")
#: What the tests themselves need, in any version.
TOOLS = ("hypothesis", "psutil", "pytest", "pytest-qt", "pytest-timeout", "pytest-xdist")
TESTS = (
    *(
        f"tests/io/test_{kind}.py"
        for kind in (
            "dicom",
            "dicom_seg",
            "heidelberg_vol",
            "nifti",
            "numpyfiles",
            "raster",
            "tiff",
        )
    ),
    "tests/api/test_evaluation.py",
    "tests/dataset/test_loading.py",
    *(f"tests/cli/test_{command}.py" for command in ("info", "models", "predict", "train")),
    "tests/infer/test_exported.py",
    "tests/models",
    *(f"tests/nets/test_{part}.py" for part in ("build", "bundle", "hostile")),
    "tests/ui/test_segment_dock.py",
    "tests/ui/workbench/test_workbench_dock.py",
)
_FLOOR = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)$")


def read_floors() -> list[str]:
    """The floor of each package that the wheel and its extras need, as ``name==version``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in EXTRAS:
        wanted += project["optional-dependencies"][extra]
    found = [_FLOOR.match(text) for text in wanted]
    missing = [text for text, match in zip(wanted, found, strict=True) if match is None]
    if missing:
        sys.exit(f"error: no floor is declared for {', '.join(missing)}")
    return [f"{match[1]}=={match[2]}" for match in found if match is not None]


def find_newest_python() -> str:
    """The newest Python that runs here, on the path or among those of pyenv."""
    candidates = [shutil.which(f"python3.{minor}") for minor in range(11, 30)]
    candidates += [str(p) for p in (Path.home() / ".pyenv" / "versions").glob("3.*/bin/python")]
    versions = [(_version_of(python), python) for python in candidates if python]
    return max([(sys.version_info[:2], sys.executable), *versions])[1]


def _version_of(python: str) -> tuple[int, int]:
    code = "import sys, ensurepip, venv; print(*sys.version_info[:2])"
    done = subprocess.run(
        [python, "-c", code], capture_output=True, check=False, text=True, timeout=60
    )
    major, minor = done.stdout.split() if done.returncode == 0 else (0, 0)
    return int(major), int(minor)


def install(name: str, python: str, wheel: Path, floors: list[str], keep: bool) -> bool:
    """Make an environment with the wheel, unless one is kept; whether it is there."""
    place = PLACE / name
    if keep and (place / "complete").exists():
        return True
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    constraints = PLACE / f"{name}.txt"
    constraints.write_text("".join(f"{line}\n" for line in floors))
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    wanted = f"{wheel}[{','.join(EXTRAS)}]"
    begun = time.monotonic()
    for command in (
        [python, "-m", "venv", str(place)],
        [*pip, "--constraint", str(constraints), wanted, *TOOLS],
    ):
        done = subprocess.run(command, capture_output=True, check=False, text=True)
        if done.returncode:
            said = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
            print(f"{' '.join(command)}\n{said}", file=sys.stderr)
            return False
    (place / "complete").touch()
    print(f"installed in {time.monotonic() - begun:.0f} s", flush=True)
    return True


def test(name: str, jobs: int) -> int:
    """Run the tests against the installed wheel; pytest's exit code."""
    python = PLACE / name / "bin" / "python"
    where = "import napari_retseg as package; print(package.__file__)"
    away = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", where], capture_output=True, text=True, check=True, cwd=PLACE, env=away
    )
    if str(PLACE) not in done.stdout:
        sys.exit(f"error: the wheel is not what is tested: {done.stdout}")
    command = [
        *(str(python), "-m", "pytest", "-q", "-n", str(jobs), "--dist", "worksteal"),
        *("-m", "not slow", "-p", "no:cacheprovider", *TESTS),
    ]
    env = {**away, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, check=False, cwd=ROOT, env=env).returncode


def main() -> int:
    """Install, test and remove each environment in turn."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--only", choices=("newest", "oldest"), action="append")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", action="store_true", help="keep the environments, use old ones")
    given = parser.parse_args()
    plans = {"newest": (find_newest_python(), []), "oldest": (sys.executable, read_floors())}
    codes = {}
    for name, (python, floors) in plans.items():
        if name not in (given.only or plans):
            continue
        print(f"== {name} versions, {python}", flush=True)
        codes[name] = 1
        try:
            if install(name, python, given.wheel.resolve(), floors, given.keep):
                codes[name] = test(name, given.jobs)
        finally:
            if not given.keep:
                shutil.rmtree(PLACE / name, ignore_errors=True)
    return max(codes.values())


if __name__ == "__main__":
    sys.exit(main())
