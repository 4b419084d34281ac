"""Draw a B-scan or a volume with its labels, or make one again from its parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.scan import OctScan
from napari_retseg.simulate.parameters import ScanParameters, draw_parameters
from napari_retseg.simulate.ranges import SimulatorConfig
from napari_retseg.simulate.scene import Scene


@dataclass(frozen=True)
class SimulatedVolume:
    """A simulated volume.

    Parameters
    ----------
    pixels, labels
        Shape ``(bscan, depth, width)``, uint8; labels are values of the draw's label set.
    parameters
        What it was made from: `render` makes the same bytes of them again.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    parameters: ScanParameters

    @property
    def scan(self) -> OctScan:
        """The volume as a scan with spacing."""
        drawn = self.parameters
        return OctScan(
            pixels=self.pixels,
            axes=("bscan", "depth", "width"),
            spacing_um=(drawn.bscan_um, drawn.axial_um, drawn.lateral_um),
            spacing_source="file",
            laterality="OD" if drawn.gaze.right else "OS",
            device=f"simulated {drawn.device}",
            bscans_declared=drawn.n_bscans,
            metadata={"simulated": True, "seed": drawn.seed, "index": drawn.index},
        )


def draw_bscan(
    config: SimulatorConfig, seed: int, index: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], ScanParameters]:
    """Draw one B-scan, independent of those of other indices.

    Returns
    -------
    pixels, labels
        Shape ``(depth, width)``, uint8.
    parameters
        What was drawn.
    """
    drawn = draw_parameters(config.model_copy(update={"n_bscans": 1}), seed, index)
    pixels, labels = Scene.of(drawn).render(0)
    return pixels, labels, drawn


def draw_volume(config: SimulatorConfig, seed: int, index: int = 0) -> SimulatedVolume:
    """Draw a volume of `config.n_bscans` B-scans of one eye."""
    return render(draw_parameters(config, seed, index))


def render(parameters: ScanParameters) -> SimulatedVolume:
    """Make the volume of given parameters: the same again, or with some of them changed."""
    scene = Scene.of(parameters)
    bscans = [scene.render(index) for index in range(parameters.n_bscans)]
    pixels, labels = (np.stack(part) for part in zip(*bscans, strict=True))
    return SimulatedVolume(pixels=pixels, labels=labels, parameters=parameters)
