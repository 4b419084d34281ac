"""Anyone's bundle runs nothing, fetches nothing and takes no more memory than its weights."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import timm
import torch

from napari_retseg.config import OPTIONS, NetworkConfig, PredictConfig
from napari_retseg.config.architectures import find_wrong_option, is_encoder_name
from napari_retseg.errors import ModelError, RetsegError, UsageError
from napari_retseg.infer.predict import predict_labels
from napari_retseg.models import DESCRIPTION, WEIGHTS, read_info
from napari_retseg.nets.build import build_network
from napari_retseg.nets.bundle import load_model
from napari_retseg.scan import OctScan
from tests.models.mutating import mutate

STRANGE_ENCODERS = (
    "tu-hf-hub:someone/model", "tu-hf_hub:someone/model", "tu-local-dir:/tmp/x",
    "tu-local-dir:x", "hf-hub:someone/model", "tu-hf-hub:x.y", "tu-timm/resnet18",
    "tu-https://example.org/x", "tu-../../x", "tu-/etc/passwd", "/etc/passwd", "../resnet18",
    "tu-resnet18.a1_in1k/x", "tu-resnet18:a", "tu-resnet18@main", "tu-resnet18\n", "resnet18 ",
    "tu-", "tu-.", "tu-resnet18.", "tu-.a1_in1k", "tu-resnet18.a1_in1k.x", "tu-RESNET18",
    "tu-resnet18\\x", "tu-resnet１8", "tu-тест", "", "r" * 101,
)  # fmt: skip
UNKNOWN_ENCODERS = ("tu-nothing", "nothing", "tu-resnet18.nothing", "tu-hf_hub", "timm-nothing")
LARGE = (10**4, 10**9, 2**31, 2**62, -1, 0)


def change(folder: Path, **network: Any) -> Path:
    """Write something else into the network of a bundle's description."""
    data = json.loads((folder / DESCRIPTION).read_text())
    data["network"].update(network)
    (folder / DESCRIPTION).write_text(json.dumps(data))
    return folder


@pytest.mark.parametrize("encoder", STRANGE_ENCODERS)
def test_only_plain_names_are_encoders(tiny_bundle: Path, encoder: str) -> None:
    assert not is_encoder_name(encoder)
    with pytest.raises(ModelError, match="encoder"):
        read_info(change(tiny_bundle, encoder=encoder))
    with pytest.raises(ModelError, match="encoder"):
        load_model(tiny_bundle)
    config = NetworkConfig().model_copy(update={"encoder": encoder})
    with pytest.raises(UsageError, match="is unknown"):
        build_network(config)


@pytest.mark.parametrize("encoder", UNKNOWN_ENCODERS)
def test_only_listed_names_are_built(tiny_bundle: Path, encoder: str) -> None:
    with pytest.raises(ModelError, match="unknown encoder"):
        load_model(change(tiny_bundle, encoder=encoder))


def test_every_name_that_is_listed_is_a_plain_one() -> None:
    for name in (*timm.list_models(), *timm.list_models(pretrained=True)):
        assert is_encoder_name(f"tu-{name}"), name
    for name in smp.encoders.encoders:
        assert is_encoder_name(name), name


def test_a_tag_of_timm_is_part_of_the_name_and_fetches_nothing() -> None:
    tagged = build_network(NetworkConfig(encoder="tu-test_resnet.r160_in1k"))
    plain = build_network(NetworkConfig(encoder="tu-test_resnet"))
    assert tagged.state_dict().keys() == plain.state_dict().keys()


def test_no_option_of_the_libraries_loaders_is_allowed() -> None:
    """What timm and smp would load or fetch by, and what the program sets itself."""
    loaders = {
        *inspect.signature(timm.create_model).parameters,
        *inspect.signature(smp.create_model).parameters,
        *inspect.signature(smp.encoders.get_encoder).parameters,
        "cache_dir", "features_only", "file", "hf_hub_id", "url", "weights",
    }  # fmt: skip
    for arch, allowed in OPTIONS.items():
        assert not loaders & allowed.keys(), arch
        for name in loaders:
            assert find_wrong_option(arch, {name: "x"})
    assert set(smp.MODEL_ARCHITECTURES_MAPPING) <= OPTIONS.keys()


class Payload:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["checkpoint_path", "pretrained_cfg", "pretrained", "cache_dir"])
def test_pickled_code_beside_a_bundle_does_not_run(
    tiny_bundle: Path, tmp_path: Path, name: str
) -> None:
    evidence, code = tmp_path / "evidence", tmp_path / "code.pth"
    code.write_bytes(pickle.dumps({"state_dict": Payload(evidence)}))
    data = json.loads((tiny_bundle / DESCRIPTION).read_text())
    options = {**data["network"]["options"], name: str(code)}
    change(tiny_bundle, options=options)
    for act in (read_info, load_model):
        with pytest.raises(ModelError, match=f"has no option '{name}'"):
            act(tiny_bundle)
    with pytest.raises(UsageError):
        build_network(NetworkConfig(options={name: str(code)}))
    assert not evidence.exists()


@pytest.mark.parametrize("arch", sorted(OPTIONS))
def test_every_option_has_a_range(arch: str) -> None:
    wrong = (*LARGE, 1e300, "x" * 200, True, [10**9] * 3, [1] * 10_000, [[1]], {"a": 1})
    for name, allowed in OPTIONS[arch].items():
        refused = [value for value in wrong if not allowed.accepts(value)]
        assert len(refused) >= len(wrong) - 3, (name, refused)
        for value in refused:
            words = find_wrong_option(arch, {name: value})
            assert "\n" not in words
            assert len(words) < 400
            with pytest.raises((UsageError, ValueError)):
                build_network(NetworkConfig(arch=arch, options={name: value}))


@pytest.mark.parametrize(
    "network",
    [
        {"in_channels": 10**9},
        {"in_channels": 10**4},
        {"n_classes": 10**9},
        {"options": {"decoder_channels": [10**9] * 3}},
        {"options": {"encoder_depth": 10_000}},
        {"arch": "dynunet", "options": {"filters": [512] * 8, "strides": [1] + [4] * 7}},
        {"arch": "dynunet", "options": {"filters": [512] * 3, "strides": [1, 4, 4]}},
        {"arch": "segresnet", "options": {"init_filters": 512, "blocks_down": [1] * 7}},
        {"arch": "basicunet", "options": {"features": [10**6] * 6}},
        {"arch": "basicunet", "options": {"features": [1]}},
        {"arch": "fpn", "options": {"upsampling": 10**6}},
    ],
)
def test_sizes_beyond_reason_are_refused_before_memory_is_taken(
    tiny_bundle: Path, network: dict[str, Any]
) -> None:
    with pytest.raises(ModelError) as caught:
        load_model(change(tiny_bundle, **network))
    assert "\n" not in str(caught.value)


def test_a_large_network_is_not_built_for_small_weights(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_retseg.nets.bundle._SPARE", 60_000_000)
    load_model(tiny_bundle)
    data = json.loads((tiny_bundle / DESCRIPTION).read_text())
    options = {**data["network"]["options"]}
    with pytest.raises(ModelError, match="resnet152 would need more memory than"):
        load_model(change(tiny_bundle, encoder="resnet152", options=options))


GUARD = """
    import os, socket
    def _refuse(*args, **named):
        with open(os.environ["SOCKETS"], "a") as log:
            log.write(repr(args[:2]) + "\\n")
        raise OSError("no network in this test")
    # older urllib3 binds a socket of this machine when it is imported, to learn of IPv6
    for _name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, _name, _refuse)
    socket.getaddrinfo = socket.gethostbyname = socket.create_connection = _refuse
"""
WORK = """
    import sys
    from pathlib import Path
    from napari_retseg.config import NetworkConfig
    from napari_retseg.errors import RetsegError
    from napari_retseg.nets.build import build_network
    from napari_retseg.nets.bundle import load_model

    for folder in map(Path, sys.argv[1:]):
        try:
            load_model(folder)
            print(folder.name, "loaded")
        except RetsegError as error:
            print(folder.name, "refused")
    build_network(NetworkConfig(encoder="tu-test_resnet.r160_in1k"))
    print("built")
"""


def test_no_process_of_the_tree_opens_a_socket(tiny_bundle: Path, tmp_path: Path) -> None:
    """Sockets are refused, and noted, in this process's child and in all that it starts."""
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(textwrap.dedent(GUARD))
    folders = [tiny_bundle]
    strange = (*STRANGE_ENCODERS[:6], "tu-test_resnet.r160_in1k")
    for number, encoder in enumerate(strange):
        folders.append(copy_changed(tiny_bundle, tmp_path / f"encoder{number}", encoder=encoder))
    for name in ("pretrained", "pretrained_cfg", "checkpoint_path", "cache_dir"):
        value = True if name == "pretrained" else "hf-hub:someone/model"
        options = {"encoder_depth": 3, "decoder_channels": [16, 8, 8], name: value}
        folders.append(copy_changed(tiny_bundle, tmp_path / name, options=options))
    search = os.pathsep.join([str(guard), *sys.path])
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "PYTHONPATH": search,
        "SOCKETS": str(tmp_path / "sockets.txt"),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(WORK), *map(str, folders)],
        env=environment, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "sockets.txt").exists(), (tmp_path / "sockets.txt").read_text()
    said = done.stdout.splitlines()
    assert said[0] == "tiny loaded"
    assert said[-1] == "built"
    # the tag changes no tensor: that bundle is a good one
    assert [line for line in said if line.endswith("refused")] == [
        f"{folder.name} refused" for folder in folders if folder.name not in ("tiny", "encoder6")
    ]


def copy_changed(source: Path, target: Path, **network: Any) -> Path:
    target.mkdir()
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return change(target, **network)


def test_every_field_that_reaches_a_library_may_be_wrong(
    tiny_bundle: Path, rng: np.random.Generator
) -> None:
    """The bundle is refused in one line, or labels a scan as any other."""
    scan = OctScan(
        pixels=rng.integers(0, 255, (32, 48), dtype=np.uint8),
        axes=("depth", "width"),
        spacing_um=(None, None),
        source=Path("scan.png"),
    )
    document = json.loads((tiny_bundle / DESCRIPTION).read_text())
    used = refused = 0
    for number, (_, text) in enumerate(
        mutate(document, each=3, seed=4, below=("network", "preprocess", "thresholds", "classes"))
    ):
        (tiny_bundle / DESCRIPTION).write_text(text)
        try:
            read_info(tiny_bundle)
        except ModelError:
            refused += 1
            continue
        if number % 3:  # what passes is used by turns: a network takes long to build
            continue
        try:
            labels = predict_labels(scan, tiny_bundle, PredictConfig(device="cpu"))
        except RetsegError as error:
            refused += 1
            if "\n" in str(error):
                raise
            continue
        used += 1
        assert labels.shape == (32, 48)
        assert set(np.unique(labels)) <= {*range(254)}
    assert refused > 100
    assert used > 3


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(
    tiny_bundle: Path, tiny_network: torch.nn.Module, tmp_path: Path, wrong: float
) -> None:
    from safetensors.torch import load_file, save_file

    from napari_retseg.nets.bundle import save_model

    info = read_info(tiny_bundle)
    state = load_file(tiny_bundle / WEIGHTS)
    name = sorted(state)[-1]
    state[name].flatten()[-1] = wrong
    save_file(state, tiny_bundle / WEIGHTS)
    with pytest.raises(ModelError, match="weights contain values that are not finite") as caught:
        load_model(tiny_bundle)
    assert name in str(caught.value)
    with torch.no_grad():
        next(tiny_network.parameters()).flatten()[0] = wrong
    with pytest.raises(ModelError, match="weights contain values that are not finite"):
        save_model(tmp_path / "new", tiny_network, info)
    assert not (tmp_path / "new").exists()


def test_weights_too_large_for_half_precision_are_not_saved(
    tiny_bundle: Path, tiny_network: torch.nn.Module, tmp_path: Path
) -> None:
    from napari_retseg.nets.bundle import save_model

    with torch.no_grad():
        next(tiny_network.parameters()).flatten()[0] = 1e6
    info = read_info(tiny_bundle)
    save_model(tmp_path / "full", tiny_network, info)
    with pytest.raises(ModelError, match="weights contain values that are not finite"):
        save_model(tmp_path / "half", tiny_network, info, half=True)
