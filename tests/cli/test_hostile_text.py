"""Names in files cannot act on the terminal, whichever command shows them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from napari_retseg.classes import LabelClass, LabelSet
from napari_retseg.cli import app
from napari_retseg.cli.group import CommandGroup
from napari_retseg.models import ModelInfo
from tests.cli.conftest import save_bscan

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux")

#: Clears the screen, sets the title, forges an error, turns the direction; markup of rich.
EVIL = "\x1b[2J\x1b]0;t\x07\nerror: forged\r\x9b31m\u202e[red]:smile:"
#: As a file's name, with a byte that is not UTF-8.
EVIL_FILE = EVIL + os.fsdecode(b"\xff")
FORBIDDEN = {*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u202e"} - {"\n"}

EXACT = ("--device", "cpu", "--precision", "fp32")


def check(result: Result, *, as_json: bool = False) -> Any:
    """Make sure that nothing shown acts, and that no name begins a line of its own."""
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)
    for stream in (result.stdout, result.stderr):
        assert not set(stream) & FORBIDDEN, stream
        assert "a bug in napari-retseg" not in stream
        lines = stream.splitlines()
        assert not [line for line in lines if line.lstrip().startswith(("error: forged", "forged"))]
    return json.loads(result.stdout) if as_json else result.stdout


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A scan, a model, a dataset and a workspace whose names are hostile."""
    from napari_retseg.config import NetworkConfig, PreprocessConfig
    from napari_retseg.nets.build import build_network
    from napari_retseg.nets.bundle import save_model

    root = tmp_path_factory.mktemp("hostile")
    classes = LabelSet(
        classes=(
            LabelClass(value=0, name="background", color="#000000"),
            LabelClass(value=1, name=EVIL, color="#ff0000"),
        )
    )
    options: dict[str, int | list[int]] = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
    network = NetworkConfig(encoder="tu-resnet10t", n_classes=2, options={**options})
    info = ModelInfo(
        name=EVIL,
        network=network,
        classes=classes,
        preprocess=PreprocessConfig(),
        about=EVIL,
    )
    save_model(root / "model", build_network(network), info)
    save_bscan(root / "scans" / f"{EVIL_FILE}.png", seed=1)
    (root / "scans" / f"{EVIL_FILE}.doc").touch()
    (root / "scans" / f"{EVIL_FILE}sub").mkdir()
    (root / "bad").mkdir()
    (root / "bad" / f"{EVIL_FILE}.png").write_bytes(b"no picture")
    cases = []
    for number in range(4):
        name = f"{number}{EVIL}"
        image = save_bscan(root / "data" / "images" / f"{name}.png", seed=number)
        label = root / "data" / "labels" / f"{name}.png"
        label.parent.mkdir(exist_ok=True)
        Image.fromarray(np.tile(np.array([0, 1], np.uint8), (48, 32))).save(label)
        paths = {
            k: str(p.relative_to(root / "data")) for k, p in (("image", image), ("label", label))
        }
        cases.append({**paths, "group": name})
    about = {"name": EVIL, "labels": {"background": 0, EVIL: 1}, "training": cases}
    (root / "data" / "dataset.json").write_text(json.dumps(about))
    board = {"sets": [{"kind": "labels", "name": "a", "data": "data"}]}
    (root / "board").write_text(json.dumps(board))
    return {name: root / name for name in ("model", "scans", "bad", "data", "board")}


def command_lines(world: dict[str, Path], out: Path) -> dict[str, tuple[str | Path, ...]]:
    """Every command, about the hostile names."""
    scan = next(world["scans"].glob("*.png"))
    model, data = ("--model", world["model"]), world["data"]
    few = ("--iterations", "2", "--crop", "32x32", "--batch-size", "1", *EXACT)
    run = out / f"run{EVIL}"
    return {
        "info": ("info", scan, *world["bad"].iterdir(), out / f"none{EVIL_FILE}"),
        "predict": ("predict", world["scans"], world["bad"], *model, "--output", out / EVIL, *EXACT,
                    "--uncertainty", "--overlay"),
        "predict no model": ("predict", scan, "--model", EVIL_FILE, "--output", out / "o"),
        "train": ("train", data, "--from", world["model"], "--output", run, *few),
        "train option": ("train", data, "--output", run, "--lr", EVIL),
        "evaluate": ("evaluate", data, *model, *EXACT),
        "evaluate none": ("evaluate", out / EVIL_FILE, *model),
        "benchmark": ("benchmark", world["model"], "--data", world["data"].parent, "--board",
                      world["board"], "--output", out / f"b{EVIL}", *EXACT),
        "benchmark none": ("benchmark", EVIL_FILE, "--data", data, "--output", out / EVIL,
                           "--only", EVIL),
        "import": ("import", data, out / f"import{EVIL}"),
        "export": ("export", scan, "--scan", scan, "--output", out / f"{EVIL}.csv"),
        "measure": ("measure", scan, world["scans"], "--scan", scan, "--output", out / EVIL),
        "measure classes": ("measure", data / "labels", "--scan", data / "images", "--output",
                            out / f"m{EVIL}", *model),
        "measure centre": ("measure", scan, "--scan", scan, "--output", out, "--centre", EVIL),
        "compare": ("compare", data / "labels", data / "labels", *model, "--output",
                    out / f"c{EVIL}"),
        "compare names": ("compare", data / "labels", world["bad"], "--output", out / EVIL_FILE),
        "change": ("change", scan, scan, "--scan", scan, "--scan", scan, "--output", out / EVIL),
        "change noise": ("change", scan, scan, "--scan", scan, "--scan", scan, "--output", out,
                         "--repeatability", EVIL),
        "anonymise": ("anonymise", world["scans"], world["bad"], "--output", out / f"a{EVIL}"),
        "models show": ("models", "show", world["model"]),
        "models add": ("models", "add", world["model"], "--name", "plain"),
        "models calibrate": ("models", "calibrate", world["model"], "--data", data),
        "models list": ("models", "list"),
        "models history": ("models", "history", "plain"),
        "models export": ("models", "export", "plain", out / f"{EVIL}.zip"),
        "models export onnx": ("models", "export", "plain", out / f"{EVIL}onnx", "--onnx"),
        "predict onnx": ("predict", scan, "--model", out / f"{EVIL}onnx", "--runtime", "onnx",
                         "--output", out / f"{EVIL}labels"),
        "models remove": ("models", "remove", "plain"),
        "models rollback": ("models", "rollback", "plain"),
        "models rollback to": ("models", "rollback", "plain", "--to", EVIL),
        "workspace info": ("workspace", "info", data),
        "workspace export": ("workspace", "export", data, "--output", out / "labels"),
        "workspace trust": ("workspace", "trust", out / EVIL_FILE),
        "workspace list": ("workspace", "list"),
        "study": ("study", f"{EVIL_FILE}.yaml", "--output", out / "study"),
        "study status": ("study", "status", out / EVIL_FILE),
        "study report": ("study", "report", out / EVIL_FILE),
        "study pack": ("study", "pack", out / EVIL_FILE, out / "p.zip"),
        "study list": ("study", "list"),
        "study data": ("study", "label-efficiency", "--data", f"{EVIL}={data}", "--output", out),
        "simulate": ("simulate", "--output", out / f"s{EVIL}", "--count", "1", "--bscans", "1",
                     "--size", "64x64"),
        "simulate size": ("simulate", "--output", out, "--size", EVIL),
        "gui": ("gui", out / EVIL_FILE),
        "cluster keys": ("cluster", "keys", data),
        "cluster scheduler": ("cluster", "scheduler", "--keys", out / EVIL_FILE),
        "worker": ("worker", EVIL),
        "demo": ("demo", "--output", scan),
        "none": (EVIL,),
        "option": ("info", f"--{EVIL}"),
    }  # fmt: skip


def test_no_command_shows_text_that_acts(
    world: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = command_lines(world, tmp_path / "out")
    assert {line[0] for line in lines.values()} >= {*list_commands()}
    monkeypatch.setattr("napari_retseg.demo.run_demo", fail_on_scan)
    for more in ((), ("--json",)):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        (tmp_path / "out").mkdir()
        for name, line in lines.items():
            if more and name in ("gui", "none", "option"):
                continue
            words = [str(word) for word in line]
            result = CliRunner().invoke(app, [*words, *more])
            print(name, result.exit_code, ascii(result.stderr[-300:]))
            check(result, as_json=bool(more) and result.exit_code == 0)
            debug = CliRunner().invoke(app, [*words, "--debug"]) if result.exit_code else result
            assert not set(debug.stderr) & FORBIDDEN


def fail_on_scan(output: Path, *, cancel: object) -> Any:
    """Fail as the demo does where its folder is a file."""
    raise FileExistsError(17, "File exists", str(output))


def list_commands() -> list[str]:
    """The names of all commands."""
    import typer

    group = typer.main.get_command(app)
    assert isinstance(group, CommandGroup)
    return list(group.commands)


def test_hostile_reports_of_a_training_are_text(world: dict[str, Path], tmp_path: Path) -> None:
    words = ("train", world["data"], "--from", world["model"], "--output", tmp_path / "run")
    few = ("--iterations", "2", "--crop", "32x32", "--batch-size", "1", *EXACT)
    result = CliRunner().invoke(app, [str(word) for word in (*words, *few)])
    assert result.exit_code == 0, result.stderr
    card = (tmp_path / "run" / "model" / "MODEL_CARD.md").read_text(encoding="utf-8")
    table = (tmp_path / "run" / "metrics.csv").read_text(encoding="utf-8")
    for text in (card, table):
        assert not set(text) & FORBIDDEN
    assert "\nerror: forged" not in card
