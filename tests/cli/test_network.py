"""Hosts without a folder in common: one is taken from the network in the middle of the work."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan
from tests.cli.conftest import Run
from tests.hosts import Network

pytestmark = pytest.mark.slow  # each host starts processes

N_SCANS = 8
WORKERS = ("one", "two", "three")
EXACT = ("--device", "cpu", "--precision", "fp32", "--json")
TRAINING = (*EXACT, "--iterations", "120", "--score-every", "60", "--batch-size", "2")


@pytest.fixture
def network(tmp_path: Path, run: Run, tiny_bundle: Path) -> Iterator[Network]:
    """A client with scans and a model, a scheduler and three workers; all have the keys."""
    with closing(Network(tmp_path, ("client", "scheduler", *WORKERS))) as network:
        furnish(network, run, tmp_path, tiny_bundle)
        yield network


def furnish(network: Network, run: Run, tmp_path: Path, tiny_bundle: Path) -> None:
    """Give each host what it has, and start scheduler and workers."""
    assert run("cluster", "keys", tmp_path / "keys").exit_code == 0
    for name in network.addresses:
        shutil.copytree(tmp_path / "keys", network.folder / name / "keys")
    home = network.folder / "client"
    shutil.copytree(tiny_bundle, home / "model")
    (home / "scans").mkdir()
    draw = np.random.default_rng(0)
    for k in range(N_SCANS):
        pixels = draw.integers(0, 255, (150, 48, 64), dtype=np.uint8)
        write_scan(home / "scans" / f"v{k}.tif", OctScan(pixels, ("bscan", "depth", "width")))
    host = network.addresses["scheduler"]
    address = f"tls://{host}:8786"
    await_start(network.start("scheduler", "cluster", "scheduler", "--host", host), address)
    for worker in [network.start(name, "worker", address) for name in WORKERS]:
        await_start(worker, address)


def await_start(started: Any, address: str) -> None:
    assert started.stdout is not None
    assert address in started.stdout.readline(), started.communicate()


def train_on_hosts_that_go(network: Network, run: Run, dataset: Path, address: str) -> str:
    """Take the worker's host away in a training, then the client's; return the worker that went."""
    home, place = network.folder / "client", network.place
    checkpoint = home / "run" / "checkpoints" / "last.pt"
    shutil.copytree(dataset, home / "data")
    about = ("--from", place / "model", "--checkpoint-seconds", "0", "--scheduler", address)
    away = ("train", place / "data", "--output", place / "run", *about, *TRAINING)
    command = network.start("client", *away)
    network.wait_for(checkpoint, command)
    (lost,) = (name for name in WORKERS if [*network.folder.glob(f"{name}/tmp/*/outbox/*")])
    network.set_link(lost, "down")
    _, errors = command.communicate(timeout=150)
    assert command.returncode == 1
    (line,) = (line for line in errors.splitlines() if line.startswith("error"))
    assert f"resume with: napari-retseg train {place / 'data'}" in line

    before = checkpoint.read_bytes()
    command = network.start("client", *away, "--resume")
    while checkpoint.read_bytes() == before:
        assert command.poll() is None, command.communicate()
        time.sleep(0.05)
    network.set_link("client", "down")
    command.kill()
    command.communicate()
    network.set_link("client", "up")
    finish(network.start("client", *away, "--resume"))

    here = ("train", home / "data", "--output", home / "alone", "--from", home / "model")
    assert run(*here, *TRAINING).exit_code == 0
    for name in ("model", "model-last"):  # the description has the hash of the weights
        told = [(home / one / name / "model.json").read_text() for one in ("run", "alone")]
        assert json.loads(told[0]) == json.loads(told[1])
    rows = [(home / one / "metrics.csv").read_text() for one in ("run", "alone")]
    assert rows[0] == rows[1]
    return lost


def finish(process: Any) -> tuple[dict[str, Any], str]:
    """Wait for a command that prints JSON, and return what it said."""
    out, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors
    return json.loads(out), errors


def test_a_host_that_goes_costs_no_scan(network: Network, run: Run, tiny_dataset: Path) -> None:
    home, place = network.folder / "client", network.place
    address = f"tls://{network.addresses['scheduler']}:8786"
    what = ("predict", place / "scans", "--model", place / "model", "--scheduler", address, *EXACT)
    run("predict", home / "scans", "--model", home / "model", "--output", home / "here", *EXACT)
    labels = {path.name: path.read_bytes() for path in (home / "here").glob("*.tif")}
    assert len(labels) == N_SCANS

    def check(output: str) -> None:
        found = {path.name: path.read_bytes() for path in (home / output).glob("*.tif")}
        assert found == labels
        assert not list((home / output).rglob(".retseg-*"))

    lost = train_on_hosts_that_go(network, run, tiny_dataset, address)

    # a worker's host
    command = network.start("client", *what, "--output", place / "a")
    network.wait_for(home / "a" / "v0.tif", command)
    network.set_link(next(name for name in WORKERS if name != lost), "down")
    said, errors = finish(command)
    assert [Path(one["input"]).name for one in said["predicted"]] == sorted(labels)
    assert "the files are sent" in errors
    assert said["failed"] == []
    check("a")

    # the client's host; the other worker is still there
    command = network.start("client", *what, "--output", place / "b")
    network.wait_for(home / "b" / "v0.tif", command)
    network.set_link("client", "down")
    command.kill()
    command.communicate()
    network.set_link("client", "up")
    said, _ = finish(network.start("client", *what, "--output", place / "b", "--resume"))
    names = [Path(one["input"]).name for one in (*said["skipped"], *said["predicted"])]
    assert sorted(names) == sorted(labels)
    assert Path(said["skipped"][0]["input"]).name == "v0.tif"
    check("b")

    # scores, from the worker that is left
    model = ("--model", home / "model", *EXACT)
    there = ("--model", place / "model", "--scheduler", address, *EXACT)
    said, _ = finish(network.start("client", "evaluate", place / "data", *there))
    assert said == json.loads(run("evaluate", home / "data", *model).stdout)
