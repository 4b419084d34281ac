"""Which scans a batch is made of: files and exports of devices among others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_retseg.cli.listing import Place, list_scans
from napari_retseg.io import read_scan
from napari_retseg.io.surfaces_beside import write_beside
from tests.cli.conftest import Run, save_bscan
from tests.io import octfiles
from tests.io.e2e_file import PLAIN, MadeVolume, make_raw, write_e2e
from tests.io.heyex_export import PLAIN as SERIES
from tests.io.heyex_export import write_export
from tests.volfile import write_vol

OTHER = MadeVolume(make_raw(2), PLAIN.places[:2], eye="R", number=40)


def make_tree(root: Path) -> Path:
    write_vol(root / "a" / "one.vol")
    write_e2e(root / "a" / "eye.E2E", PLAIN, OTHER)
    write_export(root / "b" / "export", SERIES)
    save_bscan(root / "b" / "plain.png", seed=1)
    return root


def test_an_export_is_one_scan_and_each_volume_is_one(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "study")
    places = list_scans([root], recursive=True).places
    assert places == [
        Place(root / "a" / "eye.E2E#0", Path("a")),
        Place(root / "a" / "eye.E2E#1", Path("a")),
        Place(root / "a" / "one.vol", Path("a")),
        Place(root / "b" / "export", Path("b")),
        Place(root / "b" / "plain.png", Path("b")),
    ]
    assert list_scans([root / "b"]).places == [
        Place(root / "b" / "export"),
        Place(root / "b" / "plain.png"),
    ]
    assert list_scans([root / "b" / "export"]).places == [Place(root / "b" / "export")]
    assert list_scans([root / "a" / "eye.E2E#1"]).places == [Place(root / "a" / "eye.E2E#1")]


def test_a_tree_of_exports_is_labelled_named_and_resumed(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    root, out = make_tree(tmp_path / "study"), tmp_path / "out"
    (root / "b" / "cut.vol").write_bytes((root / "a" / "one.vol").read_bytes()[:3000])
    call = ("predict", root, "--recursive", "--model", tiny_bundle, "--output", out)
    result = run(*call)
    assert result.exit_code == 1
    assert "cut.vol" in result.stderr
    made = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.*") if p.suffix != ".json")
    assert [name for name in made if "/" in name and not name.startswith(".")] == [
        "a/eye-0.tif",
        "a/eye-1.tif",
        "a/one.tif",
        "b/export.tif",
        "b/plain.png",
    ]
    (root / "b" / "cut.vol").unlink()
    again = run(*call, "--resume")
    assert again.exit_code == 0
    assert "5" in again.stdout
    assert "->" not in again.stdout


def test_what_is_read_with_a_scan_is_neither_a_scan_nor_left_out(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    root, out = make_tree(tmp_path / "study"), tmp_path / "out"
    text = octfiles.describe_optovue((8, 3, 6.0, 0.1), depth=6)
    stack = np.arange(144, dtype=np.float32).reshape(3, 6, 8)
    octfiles.write_optovue(root / "a" / "two.OCT", stack, text=text)
    call = ("predict", root, "--recursive", "--model", tiny_bundle, "--output", out)
    assert run(*call).exit_code == 0
    for name in ("a/one.vol", "a/two.OCT", "a/eye.E2E#1", "b/export"):
        scan = read_scan(root / name)
        rows = np.full((scan.n_bscans, scan.spatial_shape[-1]), 3, np.float32)
        write_beside({"ILM": rows}, scan)
    (root / "a" / "gone_Surfaces_Iowa.xml").write_text("<surfaces/>")
    (left_out,) = list_scans([root], recursive=True).left_out
    assert left_out.files == ["gone_Surfaces_Iowa.xml"]
    # and does not make labels those of another scan
    again = run(*call, "--resume")
    assert "->" not in again.stdout
    assert "6 up to date" in again.stdout + again.stderr
    # other pictures do
    export = root / "b" / "export"
    (export / "S0B1.tif").write_bytes((export / "S0B2.tif").read_bytes())
    assert "b/export.tif (3 B-scans" in run(*call, "--resume").stdout
