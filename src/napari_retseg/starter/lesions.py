"""Real B-scans with outlined lesions, for the part of a training that layers are not needed for.

Half of the patients of Kermany et al. (Cell 172:1122, 2018), whose B-scans and lesion outlines are
under CC BY 4.0; the other half is what models are measured on. Only fluid is taken from them: what
else is outlined there is not annotated, and outside the outlines is anything but fluid.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.dataset import Case, Dataset, choose_half, load_dataset, save_dataset
from napari_retseg.io import write_labels

#: How the model card names them.
ATTRIBUTION = (
    "lesion outlines on B-scans of Kermany et al. (Cell 172:1122, 2018), CC BY 4.0, half of the "
    "patients, fluid only"
)
_FLUID = LabelSet.from_names(["IRF", "SRF"])
#: One in so many patients is held out.
_HELD_OUT = 11


def take_outlines(source: Path, folder: Path) -> Dataset:
    """Copy the half that may be learnt from, with labels of fluid alone.

    Parameters
    ----------
    source
        A dataset with classes ``IRF`` and ``SRF``, and others.
    folder
        Gets images and labels; what is there is made again.
    """
    shutil.rmtree(folder, ignore_errors=True)
    data = load_dataset(source)
    half = choose_half((case.group for case in data.cases), "first")
    held_out = set(half[::_HELD_OUT])
    table = np.full(256, IGNORE, np.uint8)
    table[0] = 0
    for one in data.labels.foreground:
        if one.name in _FLUID.names:
            table[one.value] = _FLUID.names.index(one.name)
    cases = []
    for case in data.cases:
        if case.group not in half or case.label is None:
            continue
        scan = case.read_scan()
        labels = table[case.read_labels(data.labels, shape=scan.spatial_shape)]
        image, label = folder / "images" / case.image.name, folder / "labels" / case.label.name
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(case.image, image)
        write_labels(label, labels, scan=scan, mark="")
        split = "val" if case.group in held_out else "train"
        cases.append(Case(image=image, label=label, group=case.group, split=split))
    dataset = Dataset(root=folder.resolve(), name=data.name, labels=_FLUID, cases=tuple(cases))
    save_dataset(dataset)
    return dataset
