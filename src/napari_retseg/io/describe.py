"""What a reader sees in a scan, in plain values."""

from __future__ import annotations

from typing import Any

from napari_retseg.scan import OctScan


def describe_scan(scan: OctScan) -> dict[str, Any]:
    """Say what was read: plain values that JSON can hold, no pixels.

    Returns
    -------
    dict
        ``path``, ``axes``, ``shape``, ``dtype``, ``spacing_um`` and ``spacing_source``,
        ``laterality``, ``device``, ``scan_pattern``, ``patient_key``, ``bscans_declared``,
        ``bscans_read``, ``channels``, ``fundus_shape``, ``notes``; None where unknown.
    """
    return {
        "path": None if scan.source is None else str(scan.source),
        "axes": list(scan.axes),
        "shape": [int(n) for n in scan.pixels.shape],
        "dtype": str(scan.pixels.dtype),
        "spacing_um": [None if s is None else float(s) for s in scan.spacing_um],
        "spacing_source": scan.spacing_source,
        "laterality": scan.laterality,
        "device": scan.device,
        "scan_pattern": scan.scan_pattern,
        "patient_key": scan.patient_key,
        "bscans_declared": scan.bscans_declared,
        "bscans_read": scan.n_bscans,
        "channels": scan.n_channels,
        "fundus_shape": None if scan.fundus is None else [int(n) for n in scan.fundus.shape],
        "notes": list(scan.notes),
    }
