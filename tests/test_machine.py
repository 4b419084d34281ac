"""How many processes a machine has room for, and which GPU each of them has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from napari_retseg.engine import machine
from napari_retseg.engine.machine import choose_workers, count_memory, list_gpus, share_gpus
from napari_retseg.engine.spread import Crew
from napari_retseg.engine.tls import Keys
from napari_retseg.engine.workers import WorkerProcess

NAMES = ["GPU-11111111", "GPU-22222222"]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver's program that tells of two."""
    if sys.platform == "win32":
        pytest.skip("the stand-in for nvidia-smi is a shell script")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf '%s\\n' " + " ".join(NAMES) + "\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_of_several_gpus_each_process_has_one(
    two_gpus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "count_cores", lambda: 16)
    assert list_gpus() == NAMES
    assert choose_workers(100, on_gpu=True) == 2
    assert choose_workers(100) > 2
    with Crew[int](workers=3, scheduler=None) as crew:
        found = [(one._settings or {}).get("CUDA_VISIBLE_DEVICES") for one in crew._engines]
    assert found == [*NAMES, NAMES[0]]
    settings = share_gpus(2)[1]
    started: list[dict[str, str]] = []

    def start(_command: Any, *, env: dict[str, str], **_options: Any) -> psutil.Process:
        started.append(env)
        return psutil.Process()

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(os, "setpriority", lambda *_: None, raising=False)
    WorkerProcess(
        "tls://127.0.0.1:9", lane="predict", folder=tmp_path, keys=Keys(tmp_path), settings=settings
    )
    assert started[0]["CUDA_VISIBLE_DEVICES"] == NAMES[1]


def test_what_the_user_hides_is_not_used(two_gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    assert share_gpus(2) == [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "5"}]
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert list_gpus() == []
        assert share_gpus(2) == [{}, {}]


def test_without_gpus_cores_and_memory_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(machine, "count_cores", lambda: 3)
    assert choose_workers(100, on_gpu=True) == choose_workers(100) == 3
    assert choose_workers(4) == 1
    assert share_gpus(2) == [{}, {}]


def test_a_job_of_slurm_has_the_memory_that_slurm_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    total = psutil.virtual_memory().total
    assert count_memory() == total
    monkeypatch.setattr(machine, "count_cores", lambda: 2)
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "100")
    assert count_memory() == 200 << 20
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1000")
    assert count_memory() == 1000 << 20
    monkeypatch.setenv("SLURM_MEM_PER_NODE", str(total))
    assert count_memory() == total
