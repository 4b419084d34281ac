"""What a device's file says of a person is in nothing that is written from it."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Layer

import napari_retseg as rs
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.io import read_scan
from napari_retseg.learn.train import fine_tune
from napari_retseg.ui.readers import read_layers
from tests.cli.conftest import invoke
from tests.io import dicomfiles, octfiles, test_zeiss, topconfile
from tests.io.e2e_file import PLAIN, write_e2e
from tests.io.e2e_file import SECRETS as E2E_SECRETS
from tests.io.heyex_export import PLAIN as SERIES
from tests.io.heyex_export import SECRETS as XML_SECRETS
from tests.io.heyex_export import write_export
from tests.volfile import write_vol

#: Shorter words are found by chance in compressed data.
SHORTEST = 5
CROP = 32
#: Names by which the labels of the tiny model are layers.
CLASSES = '{"NFL": 1, "INL": 2, "fluid": 3}'
STACK = np.random.default_rng(5).integers(0, 256, (3, 64, 64), dtype=np.uint8)


def write_dicom(path: Path) -> Path:
    person: dict[str, Any] = dicomfiles.PERSON
    return dicomfiles.save(path, dicomfiles.make_opt(STACK, **person))


def write_topcon(path: Path) -> Path:
    chunks = (
        ("@IMG_JPEG", topconfile.encoded_scan(STACK)),
        ("@PARAM_SCAN_04", topconfile.scan_size(6.0, 3.0, 2.6)),
        ("@CAPTURE_INFO_02", topconfile.capture(0)),
        ("@PATIENT_INFO_02", topconfile.patient("P-77123", "Annegret", "Sommer", (1948, 2, 9), 2)),
    )
    return topconfile.write(path, *chunks)


#: How a file of each kind is made, and what in it tells of a person.
KINDS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "a.vol": (lambda path: write_vol(path, patient="DOE-SOMMER"), ("DOE-SOMMER",)),
    # OME-TIFF has a 2016 of its own
    "a.E2E": (lambda path: write_e2e(path, PLAIN), E2E_SECRETS[:-1]),
    "export": (lambda path: write_export(path, SERIES).parent, XML_SECRETS),
    "a.fda": (write_topcon, ("P-77123", "Annegret", "Sommer")),
    "a.fds": (write_topcon, ("P-77123", "Annegret", "Sommer")),
    "a.OCT": (
        lambda path: octfiles.write_bioptigen(path, STACK.astype(np.uint16)),
        ("Zaphod", "Beeblebrox"),
    ),
    "a.dcm": (write_dicom, tuple(p for v in dicomfiles.PERSON.values() for p in v.split("^"))),
}


def write_cirrus(path: Path) -> Path:
    cube = np.random.default_rng(6).integers(0, 256, (3, 1024, 40), dtype=np.uint8)
    return test_zeiss.write(
        path.parent, "Zaphod_Macular Cube 40x3_2-28-2011_1-2-3_OS_sn9.img", cube
    )


def write_avanti(path: Path) -> Path:
    stack = np.random.default_rng(6).random((3, 32, 40), dtype=np.float32)
    text = octfiles.describe_optovue((40, 3, 6.0, 0.1), depth=32)
    name = "Zaphod, Trillian _27_3D Retina_OS_2014-09-12_10.21.36_1.OCT"
    return octfiles.write_optovue(path.with_name(name), stack, text=text)


#: Files whose names tell of a person; any file can have such a name.
NAMED: dict[str, Callable[[Path], Path]] = {
    "a.img": write_cirrus,
    "b.OCT": write_avanti,
    "Zaphod.vol": write_vol,
    "Zaphod.dcm": write_dicom,
}


def unpack(content: bytes) -> Iterator[bytes]:
    """Give content as it is, and what is packed in it."""
    yield content
    if content[:2] == b"\x1f\x8b":
        yield from unpack(gzip.decompress(content))
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from unpack(archive.read(name))
    if content[:4] == b"\x89PNG":
        yield from (zlib.decompress(text) for text in _list_packed_texts(content))


def _list_packed_texts(png: bytes) -> Iterator[bytes]:
    place = 8
    while place < len(png):
        size, kind = int.from_bytes(png[place : place + 4], "big"), png[place + 4 : place + 8]
        if kind == b"zTXt":
            yield png[place + 8 : place + 8 + size].partition(b"\0")[2][1:]
        place += size + 12


def find_told(contents: Iterator[bytes] | list[bytes], secrets: tuple[str, ...]) -> list[str]:
    """List the words that are in the contents, in any of the ways to write them."""
    words = {word for word in secrets if len(word) >= SHORTEST}
    assert words
    found = set()
    for content in contents:
        small = content.lower()
        for word in words:
            for encoding in ("utf-8", "latin-1", "utf-16-le", "unicode_escape"):
                if word.lower().encode(encoding, "ignore") in small:
                    found.add(word)
    return sorted(found)


def read_all(folder: Path, *, but: Path) -> Iterator[bytes]:
    """Give the names and contents of all files of a folder but the source's."""
    count = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path != but and but not in path.parents:
            count += 1
            yield str(path.relative_to(folder)).encode()
            yield from unpack(path.read_bytes())
    assert count


def train(workspace: Path, run: Path, start: Path) -> None:
    options = {"iterations": 1, "batch_size": 1, "crop": f"{CROP}x{CROP}", "augment": "none"}
    config = TrainConfig(**options, device="cpu", precision="fp32")
    for _ in fine_tune(
        load_dataset(workspace, allow_outside=True), config, output=run, start=start
    ):
        pass


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_nothing_that_is_written_tells_who_was_examined(
    kind: str, tmp_path: Path, tiny_bundle: Path
) -> None:
    write, secrets = KINDS[kind]
    source = write(tmp_path / kind)
    files = source.rglob("*") if source.is_dir() else [source]
    planted = find_told([path.read_bytes() for path in files if path.is_file()], secrets)
    assert planted, "nothing is planted"
    scan = read_scan(source)

    outputs = [
        invoke("info", source).output,
        invoke("info", source, "--json").output,
        invoke("predict", source, "--model", tiny_bundle, "--output", tmp_path / "labels",
               "--uncertainty", "--overlay").output,
    ]  # fmt: skip
    labels = next((tmp_path / "labels").glob("*.tif"))
    (labels.parent / "classes.json").write_text(CLASSES)
    targets = [("--output", tmp_path / f"out.{suffix}") for suffix in ("csv", "xml", "dcm")]
    exported = [
        invoke("export", labels, "--scan", source, *target)
        for target in (*targets, ("--beside-scan",))
    ]
    failed = [one for one in exported if one.exit_code]
    assert len(failed) == (kind != "a.dcm"), "a DICOM Segmentation belongs to DICOM"
    outputs += [one.output for one in exported]
    with rs.Workspace.create(tmp_path / "work", classes=["NFL", "INL", "fluid"]) as workspace:
        name = workspace.add(source)
        workspace.predict(name, tiny_bundle)
        workspace.accept(name)
        workspace.confirm(name)
    outputs.append(
        invoke("workspace", "export", tmp_path / "work", "--output", tmp_path / "given").output
    )
    if scan.spatial_shape[-1] >= CROP:
        train(tmp_path / "work", tmp_path / "run", tiny_bundle)
        outputs.append(
            invoke("models", "export", tmp_path / "run" / "model", tmp_path / "m.zip").output
        )
    for options in ((), ("--nifti",)):
        call = ("anonymise", source, "--output", tmp_path / "shared", *options)
        outputs.append(invoke(*call).output)
    layers = [Layer.create(*data) for data in read_layers(str(source))]

    written = [text.encode() for text in outputs]
    written += [pickle.dumps({**layer.metadata, "name": layer.name}) for layer in layers]
    assert find_told(written, secrets) == []
    assert find_told(read_all(tmp_path, but=source), secrets) == []
    if source.is_dir():  # corrected boundaries lie beside the XML
        (beside,) = source.glob("*_Surfaces_Iowa.xml")
        assert find_told([beside.read_bytes()], secrets) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_damaged_is_refused_without_telling_of_a_person(kind: str, tmp_path: Path) -> None:
    write, secrets = KINDS[kind]
    source = write(tmp_path / kind)
    file = next(source.glob("*.xml")) if source.is_dir() else source
    whole = file.read_bytes()
    outputs = []
    for share in (0.02, 0.1, 0.3, 0.6, 0.9, 0.99):
        for damaged in (whole[: int(share * len(whole))], _break(whole, share)):
            file.write_bytes(damaged)
            outputs += [invoke("info", source).output, invoke("info", source, "--json").output]
    assert any("error: " in output for output in outputs)
    assert find_told([output.encode() for output in outputs], secrets) == []


def _break(content: bytes, share: float) -> bytes:
    """Put bytes that belong to nothing in one place."""
    place = int(share * len(content))
    return content[:place] + b"\xff<\0" * 20 + content[place + 60 :]


@pytest.mark.parametrize("kind", sorted(NAMED))
def test_a_name_in_a_path_is_in_nothing_that_leaves_the_machine(
    kind: str, tmp_path: Path, tiny_bundle: Path
) -> None:
    folder, secrets = tmp_path / "Beeblebrox", ("Zaphod", "Trillian", "Beeblebrox")
    folder.mkdir()
    source = NAMED[kind](folder / kind)
    assert find_told([str(source).encode()], secrets)
    invoke("predict", source, "--model", tiny_bundle, "--output", folder / "labels")
    labels = next((folder / "labels").glob("*.tif"))
    (labels.parent / "classes.json").write_text(CLASSES)
    with rs.Workspace.create(folder / "work", classes=["NFL", "INL", "fluid"]) as workspace:
        name = workspace.add(source)
        workspace.predict(name, tiny_bundle)
        workspace.accept(name)
        workspace.confirm(name)
    train(folder / "work", folder / "run", tiny_bundle)
    given = tmp_path / "given"
    suffixes = ("csv", "xml", "dcm") if kind.endswith("dcm") else ("csv", "xml")
    calls: list[tuple[str | Path, ...]] = [
        ("models", "export", folder / "run" / "model", given / "m.zip"),
        ("anonymise", source, "--output", given / "shared"),
        *(
            (
                "export",
                labels,
                "--scan",
                source,
                "--output",
                given / f"out.{suffix}",
            )
            for suffix in suffixes
        ),
    ]
    for call in calls:
        done = invoke(*call)
        assert done.exit_code == 0, done.output
    assert find_told(read_all(given, but=source), secrets) == []


def test_what_is_packed_is_found() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", gzip.compress("Annegret".encode("utf-16-le")))
    assert find_told(unpack(packed.getvalue()), ("Annegret",)) == ["Annegret"]
    assert find_told(unpack(b"nobody"), ("Annegret",)) == []
