"""Small HEYEX XML exports, by the structure of real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

#: What identifies the patient of a made export.
SECRETS = ("Sommer", "Annegret", "P-77123", "4711", "1948", "Dr-Winter", "opfrau", "2019")

_HEAD = """<HEDX>
<BODY>
<SWVersion><Name>Spectralis Viewing Module</Name><Version>6.9.5.0</Version></SWVersion>
<Patient>
<ID>004711</ID><PatientID>P-77123</PatientID>
<LastName>Sommer</LastName><FirstNames>Annegret</FirstNames>
<Birthdate><Date><Year>1948</Year><Month>2</Month><Day>9</Day></Date></Birthdate>
<Sex>F</Sex>
<Study>
<ID>8</ID><StudyDate><Date><Year>2019</Year><Month>11</Month><Day>3</Day></Date></StudyDate>
<Operator>opfrau</Operator><ReferringPhysician>Dr-Winter</ReferringPhysician>
"""
_TAIL = "</Study>\n</Patient>\n</BODY>\n</HEDX>\n"
_GRID = """<ThicknessGrid><Type>3</Type><Name>1, 3, 6 mm ETDRS</Name>
<Diameter1>1.00</Diameter1><Diameter2>3.00</Diameter2><Diameter3>6.00</Diameter3>
<CenterPos><Coord><X>5</X><Y>4</Y></Coord></CenterPos>
<CentralThickness>0.239</CentralThickness><TotalVolume>9.249</TotalVolume>
<Zone><Name>C0</Name><AvgThickness>0.300</AvgThickness><Volume>0.235</Volume></Zone>
<Zone><Name>N1</Name><AvgThickness>0.368</AvgThickness><Volume>0.579</Volume>
<ValidPixelPercentage>65.119</ValidPixelPercentage></Zone></ThicknessGrid>
"""


@dataclass(frozen=True)
class MadeSeries:
    """What a series holds; see `write_export`."""

    pixels: NDArray[np.uint8]
    places: Sequence[tuple[float, float, float, float]]
    eye: str = "L"
    series_eye: str = ""
    pattern: str = "Volume"
    files: Sequence[str] = ()
    declared: int | None = None
    rows: dict[str, NDArray[Any]] = field(default_factory=dict)
    grid: str = _GRID
    scale: tuple[str, str] = ("0.003872", "0.625")
    shape: tuple[int, int] | None = None


#: Three B-scans of 6 x 8 from inferior to superior, 0.12 mm apart and 5 mm long.
PLAIN = MadeSeries(
    pixels=np.arange(144, dtype=np.uint8).reshape(3, 6, 8),
    places=[(1.0, 3.0 - 0.12 * k, 6.0, 3.0 - 0.12 * k) for k in range(3)],
)


def write_export(folder: Path, *several: MadeSeries, name: str = "A1.xml") -> Path:
    """Write an export with one or more series; return the XML file."""
    folder.mkdir(parents=True, exist_ok=True)
    text = _HEAD + "".join(_write_series(folder, k, one) for k, one in enumerate(several)) + _TAIL
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def make_variant(plain: MadeSeries, *, from_above: bool, reversed_ascans: bool) -> MadeSeries:
    """The same eye in another order."""
    pixels, places, rows = plain.pixels, list(plain.places), dict(plain.rows)
    if from_above:
        pixels, places = pixels[::-1], places[::-1]
        rows = {name: values[::-1] for name, values in rows.items()}
    if reversed_ascans:
        pixels = pixels[..., ::-1]
        places = [(x1, y1, x0, y0) for x0, y0, x1, y1 in places]
        rows = {name: values[:, ::-1] for name, values in rows.items()}
    return replace(plain, pixels=pixels, places=places, rows=rows)


def _write_series(folder: Path, number: int, series: MadeSeries) -> str:
    files = series.files or [f"S{number}B{k}.tif" for k in range(len(series.pixels))]
    slo = f"S{number}SLO.tif"
    tifffile.imwrite(folder / slo, make_slo(number), photometric="minisblack")
    for name, plane in zip(files, series.pixels, strict=True):
        colour = np.repeat(plane[..., np.newaxis], 3, -1)
        tifffile.imwrite(folder / name, colour, photometric="rgb", compression="lzw")
    images = [_describe_slo(slo, series.eye)]
    images += [_describe_bscan(k, name, series) for k, name in enumerate(files)]
    eye = f"<Laterality>{series.series_eye}</Laterality>" if series.series_eye else ""
    n_images = len(images) if series.declared is None else series.declared
    return f"""<Series><ID>{number}</ID><Modality>OCT</Modality><Type>{series.pattern}</Type>{eye}
<GeneralEquipment><ManufacturerModelName>Spectralis</ManufacturerModelName></GeneralEquipment>
{series.grid}<NumImages>{n_images}</NumImages>
{"".join(images)}</Series>
"""


def make_slo(number: int = 0) -> NDArray[np.uint8]:
    """The fundus image of a series: 9 x 10."""
    return np.arange(number, number + 90, dtype=np.uint8).reshape(9, 10)


def _describe_slo(name: str, eye: str) -> str:
    return f"""<Image><Laterality>{eye}</Laterality><ImageType><Type>LOCALIZER</Type></ImageType>
<OphthalmicAcquisitionContext><Width>10</Width><Height>9</Height>
<ScaleX>0.0121</ScaleX><ScaleY>0.0122</ScaleY></OphthalmicAcquisitionContext>
<ImageData><ExamURL>file:///C:\\Export\\Sommer\\{name.upper()}</ExamURL></ImageData></Image>
"""


def _describe_bscan(number: int, name: str, series: MadeSeries) -> str:
    height, width = series.shape or series.pixels.shape[1:]
    x0, y0, x1, y1 = series.places[number]
    lines = "".join(
        f"<SegLine><Name>{line}</Name><Array>{' '.join(map(_write_row, rows[number]))}</Array>"
        "</SegLine>"
        for line, rows in series.rows.items()
    )
    return f"""<Image><Laterality>{series.eye}</Laterality><ImageType><Type>OCT</Type></ImageType>
<OphthalmicAcquisitionContext><Width>{width}</Width><Height>{height}</Height>
<ScaleX>{series.scale[1]}</ScaleX><ScaleY>{series.scale[0]}</ScaleY>
<NumAve>{9 + number}</NumAve><ImageQuality>{20 + number}</ImageQuality>
<Start><Coord><X>{x0}</X><Y>{y0:.3f}</Y></Coord></Start>
<End><Coord><X>{x1}</X><Y>{y1:.3f}</Y></Coord></End></OphthalmicAcquisitionContext>
<ImageData><ExamURL>file:///C:\\Export\\Sommer\\{name}</ExamURL></ImageData>
<Segmentation>{lines}</Segmentation></Image>
"""


def _write_row(value: float) -> str:
    return "3e+038" if np.isnan(value) else f"{value:.1f}"
