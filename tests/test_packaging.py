"""What is built holds what is needed, from the sdist as well."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

from napari_retseg import __version__

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_data"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an sdist, and the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    """The wheel."""
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.mark.slow
def test_the_wheel_holds_every_sample(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    samples = [path.relative_to(ROOT).as_posix() for path in SAMPLES.rglob("*") if path.is_file()]
    wanted = [name for name in samples if not Path(name).name.startswith(".")]
    assert wanted
    assert [name for name in wanted if f"napari_retseg/{name}" not in names] == []


@pytest.mark.slow
def test_the_wheel_holds_types_and_manifest_and_no_tests(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert {"napari_retseg/py.typed", "napari_retseg/napari.yaml"} <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert tops == {"napari_retseg", f"napari_retseg-{__version__}.dist-info"}


@pytest.mark.slow
def test_the_wheel_holds_what_studies_and_pages_read(wheel: zipfile.ZipFile) -> None:
    folder = ROOT / "src" / "napari_retseg" / "study"
    page = folder.parent / "page"
    wanted = [*folder.glob("recipes/*.yaml"), page / "page.css", page / "page.js"]
    assert len(wanted) >= 7
    names = {path.relative_to(ROOT / "src").as_posix() for path in wanted}
    assert names <= set(wheel.namelist())


@pytest.mark.slow
def test_the_wheel_says_what_napari_and_the_shell_look_for(wheel: zipfile.ZipFile) -> None:
    info = f"napari_retseg-{__version__}.dist-info"
    entries = wheel.read(f"{info}/entry_points.txt").decode()
    assert "[napari.manifest]\nnapari-retseg = napari_retseg:napari.yaml" in entries
    assert "napari-retseg = napari_retseg.cli:main" in entries
    metadata = Parser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert "Framework :: napari" in (metadata.get_all("Classifier") or [])
    assert metadata["Requires-Python"] == ">=3.11"


@pytest.mark.slow
def test_the_sdist_can_be_tested(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[-1] for name in archive.getnames()}
    assert {"Makefile", "LICENSE", "README.md", "tests/conftest.py", "napari.yaml"} <= names
    assert {"scripts/system-libraries.sh", ".ci/run", "CHANGELOG.md", "mkdocs.yml"} <= names
    assert not any(name.startswith("docs/studies/") for name in names)
