"""The code that the documents show runs as it is written, on simulated scans."""

from __future__ import annotations

import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from PIL import Image
from typer.testing import CliRunner

from napari_retseg.cli import app
from napari_retseg.dataset import load_dataset
from napari_retseg.io import read_scan
from napari_retseg.models import STARTER, find_model
from napari_retseg.simulate import SimulatorConfig, simulate_dataset
from napari_retseg.workspace import Workspace
from tests.documents import DOCUMENTS, ROOT, name_of, read_commands, read_python

PYTHON = [path for path in DOCUMENTS if read_python(path.read_text(encoding="utf-8"))]
WALK = ROOT / "docs" / "get-started" / "five-minutes.md"
#: Pages whose commands are run one after the other.
WALKS = [
    WALK,
    ROOT / "docs" / "get-started" / "etdrs-table.md",
    ROOT / "docs" / "how-to" / "segment-folder.md",
    ROOT / "docs" / "how-to" / "choose-bscans.md",
    ROOT / "docs" / "how-to" / "measure.md",
]


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pages name: a scan, a dataset, a run of a model, workspaces of S01, S02 ..."""
    folder = tmp_path_factory.mktemp("snippets")
    config = SimulatorConfig(size=(64, 96), n_bscans=4)
    data = simulate_dataset(folder / "DATASET", count=8, seed=1, config=config, file_format="tiff")
    scan = data.cases[0].image
    (folder / "scan.tif").write_bytes(scan.read_bytes())
    shutil.copytree(find_model(STARTER), folder / "run" / "model")
    cases = [
        case.model_copy(update={"group": f"S{number:02d}"})
        for number, case in enumerate(data.cases, start=1)
    ]
    renamed = data.model_copy(update={"cases": tuple(cases)})
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NAPARI_RETSEG_STATE", str(folder / "state"))
        for name in ("my-workspace", "clinic"):
            with Workspace.create(folder / name) as workspace:
                workspace.add_dataset(renamed, with_labels=True)
    return folder


@pytest.fixture
def place(material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for each page, with copies of the material; the working directory."""
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NAPARI_RETSEG_MODELS", str(tmp_path / "models"))
    folder = shutil.copytree(material, tmp_path / "page")
    for name in ("my-workspace", "clinic"):
        Workspace.open(folder / name, trust=True).close()
    monkeypatch.chdir(folder)
    return folder


# trainings of a few iterations on simulated scans warn of much
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.slow
@pytest.mark.parametrize("page", PYTHON, ids=name_of)
def test_python_of_a_page_runs(page: Path, place: Path) -> None:
    code = read_python(page.read_text(encoding="utf-8"))
    plt.switch_backend("agg")
    exec(compile(code, name_of(page), "exec"), {"__name__": "__main__"})
    plt.close("all")


def write_study(folder: Path) -> None:
    """The scans that commands name: a folder of volumes, and one of a volume's B-scans."""
    images = [case.image for case in load_dataset(folder / "DATASET").cases]
    (folder / "study").mkdir()
    for image in images[:2]:
        shutil.copy(image, folder / "study")
    (folder / "bscans").mkdir()
    for number in range(3):
        plane = Image.fromarray(read_scan(images[2]).read_bscan(number)[0])
        plane.save(folder / "bscans" / f"{number:03d}.png")


def list_commands(page: Path) -> list[list[str]]:
    """The commands of a page, without those that open a window."""
    found = read_commands(page.read_text(encoding="utf-8"))
    return [words for words in found if words != ["gui"]]


@pytest.mark.slow
@pytest.mark.parametrize("page", WALKS, ids=name_of)
def test_commands_of_a_page_run(page: Path, place: Path) -> None:
    write_study(place)
    for words in list_commands(page):
        short = ["--iterations", "2"] if words[0] == "train" else []
        done = CliRunner().invoke(app, [*words, *short])
        assert done.exit_code == 0, f"{' '.join(words)}\n{done.output}"


def test_the_readme_has_no_other_commands() -> None:
    commands = list_commands(ROOT / "README.md")
    assert len(commands) > 5
    assert [words for words in commands if words not in list_commands(WALK)] == []


def test_pages_with_python_are_found() -> None:
    assert len(PYTHON) > 4
