"""Switching scans in a real viewer with a canvas never ends the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ui.workbench import switching


@pytest.mark.slow
def test_two_hundred_switches_with_confirmations(tmp_path: Path) -> None:
    command = [sys.executable, "-m", switching.__name__, str(tmp_path), "200", "7"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert switching.DONE in done.stdout
