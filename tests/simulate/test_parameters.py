from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from napari_retseg.simulate import (
    Part,
    ScanParameters,
    SimulatorConfig,
    draw_bscan,
    draw_parameters,
    draw_volume,
    render,
)
from napari_retseg.simulate import parameters as drawn_models
from napari_retseg.simulate import ranges as range_models
from napari_retseg.simulate.ranges import DiseaseRanges, OpticsRanges

WIDE = SimulatorConfig(size=(96, 128))
GROUPS = ("gaze", "anatomy", "disease", "greys", "optics", "artefacts")


def test_a_seed_and_an_index_give_the_same_bytes() -> None:
    first, again, other = (draw_bscan(WIDE, 4, index) for index in (7, 7, 8))
    assert first[0].tobytes() == again[0].tobytes()
    assert first[1].tobytes() == again[1].tobytes()
    assert first[2] == again[2]
    assert (first[0] != other[0]).any()
    assert (draw_bscan(WIDE, 5, 7)[0] != first[0]).any()


def test_a_draw_is_replayed_from_its_own_text() -> None:
    config = WIDE.model_copy(update={"n_bscans": 2})
    volume = draw_volume(config, 1, 3)
    read = ScanParameters.model_validate_json(volume.parameters.model_dump_json())
    again = render(read)
    assert again.pixels.tobytes() == volume.pixels.tobytes()
    assert again.labels.tobytes() == volume.labels.tobytes()


def test_a_single_bscan_is_the_volume_of_one() -> None:
    pixels, labels, drawn = draw_bscan(WIDE, 2, 5)
    volume = draw_volume(WIDE, 2, 5)
    assert volume.parameters == drawn
    np.testing.assert_array_equal(volume.pixels[0], pixels)
    np.testing.assert_array_equal(volume.labels[0], labels)


@pytest.mark.parametrize("group", GROUPS)
def test_ranges_and_draws_have_the_same_fields(group: str) -> None:
    singular = {"greys": "Grey", "artefacts": "Artefact"}.get(group, group.title())
    ranges = getattr(range_models, f"{singular}Ranges").model_fields
    assert list(ranges) == list(getattr(drawn_models, group.title()).model_fields)


def test_draws_lie_in_their_ranges_and_fill_them() -> None:
    draws = [draw_parameters(WIDE, 0, index) for index in range(300)]
    for group in GROUPS:
        ranges = getattr(WIDE, group)
        for name in type(ranges).model_fields:
            limits = getattr(ranges, name)
            values = [getattr(getattr(drawn, group), name) for drawn in draws]
            if isinstance(limits, tuple) and not isinstance(limits[0], str):
                assert min(values) >= limits[0]
                assert max(values) <= limits[1] + 1e-9
                assert max(values) - min(values) > 0.5 * (limits[1] - limits[0])
            else:
                assert len(set(values)) > 1 or limits in (0.0, 1.0)


def test_changing_one_range_leaves_all_other_values() -> None:
    changed = WIDE.model_copy(update={"optics": OpticsRanges(looks=(3.0, 3.0))})
    first, second = draw_parameters(WIDE, 1), draw_parameters(changed, 1)
    assert second.optics.looks == pytest.approx(3.0)
    assert second.optics == first.optics.model_copy(update={"looks": second.optics.looks})
    assert second.disease == first.disease


@pytest.mark.parametrize("part", ["disease", "speckle", "resolution", "corners"])
def test_a_part_that_is_taken_out_no_longer_varies(part: Part) -> None:
    draws = [draw_parameters(SimulatorConfig().without(part), 0, index) for index in range(60)]
    varied = [draw_parameters(SimulatorConfig(), 0, index) for index in range(60)]

    def seen(drawn: ScanParameters) -> object:
        return {
            "disease": drawn.disease.ill or drawn.disease.cysts,
            "speckle": (drawn.optics.looks, drawn.optics.speckle_depth, drawn.optics.noise_size),
            "resolution": (drawn.axial_um, drawn.lateral_um, drawn.optics.blur_depth_um),
            "corners": drawn.artefacts.corners or drawn.artefacts.bars,
        }[part]

    assert len({seen(drawn) for drawn in draws}) == 1
    assert len({seen(drawn) for drawn in varied}) > 1
    assert [drawn.greys for drawn in draws] == [drawn.greys for drawn in varied]


def test_a_healthy_eye_has_no_disease() -> None:
    config = SimulatorConfig().without("disease")
    for index in range(20):
        disease = draw_parameters(config, 0, index).disease
        assert not any(value is True for value in disease.model_dump().values())


def test_devices_have_their_own_pixels() -> None:
    draws = [draw_parameters(SimulatorConfig(), 0, index) for index in range(200)]
    assert {drawn.device for drawn in draws} == {
        sampling.name for sampling in SimulatorConfig().samplings
    }
    assert {drawn.depth for drawn in draws if drawn.device == "Spectralis"} == {496}
    axial = [drawn.axial_um for drawn in draws]
    assert min(axial) < 2
    assert max(axial) > 7
    assert all(drawn.axial_um * drawn.depth >= 899 for drawn in draws)
    widths_um = [drawn.lateral_um * drawn.width for drawn in draws]
    assert min(widths_um) >= 2990
    assert max(widths_um) <= 12010


@pytest.mark.parametrize(
    ("field", "value"),
    [("ill", 1.5), ("swelling_um", (0.0, 1.0)), ("cyst_count", (3, 1)), ("septa", (-1, 2))],
)
def test_ranges_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        DiseaseRanges.model_validate({field: value})


def test_a_configuration_without_any_device_is_refused() -> None:
    silent = tuple(s.model_copy(update={"weight": 0.0}) for s in SimulatorConfig().samplings)
    with pytest.raises(ValidationError, match="weight above 0"):
        SimulatorConfig(samplings=silent)
