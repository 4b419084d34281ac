#!/bin/sh
# One run on a machine with a GPU, bare or not: what is missing is said before anything starts.
# Usage: sh scripts/gpu_check.sh [OUTPUT] [further options of benchmarks.gpu_check]
# Wheels in the folder .whl beside this checkout's files are installed first, without a network.
set -eu
cd "$(dirname "$0")/.."
output=${1:-build/gpu-check}
[ $# -gt 0 ] && shift
python=${PYTHON:-python3}

if [ -d .whl ]; then
    target=$(mktemp -d)
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$target" .whl/*.whl
    PYTHONPATH=$target${PYTHONPATH:+:$PYTHONPATH}
fi
PYTHONPATH=src:.${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH

"$python" - <<'PY'
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from re import match

if sys.version_info < (3, 11):
    sys.exit("error: Python 3.11 or newer is needed; name one with PYTHON=python3.12")
with open("pyproject.toml", "rb") as file:
    needed = tomllib.load(file)["project"]["dependencies"] + ["pytest", "hypothesis"]
missing = []
for one in needed:
    name = match(r"[A-Za-z0-9_.-]+", one)[0]
    try:
        version(name)
    except PackageNotFoundError:
        missing.append(one)
if missing:
    sys.exit("error: these packages are missing; put their wheels into .whl: " + " ".join(missing))
PY

exec "$python" -m benchmarks.gpu_check --output "$output" "$@"
