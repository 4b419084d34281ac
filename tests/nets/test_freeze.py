from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from napari_retseg.config import NetworkConfig, parse_strategy
from napari_retseg.errors import UsageError
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.freeze import apply_strategy, set_modes, thaw
from napari_retseg.nets.stages import find_parts

_SMALL: dict[str, Any] = {"encoder_depth": 3, "decoder_channels": [16, 8, 8]}
NETWORKS = {
    "resnet18": NetworkConfig(encoder="resnet18", n_classes=3),
    "timm": NetworkConfig(encoder="tu-resnet10t", n_classes=3, options=_SMALL),
    "efficientnet": NetworkConfig(encoder="efficientnet-b0", n_classes=3),
    "transformer": NetworkConfig(encoder="mit_b0", n_classes=3),
    "psp": NetworkConfig(encoder="tu-resnet10t", head="psp", auxiliary=True, n_classes=3),
    "basicunet": NetworkConfig(
        arch="basicunet", n_classes=3, options={"features": [4, 4, 8, 8, 8, 4], "norm": "batch"}
    ),
    "dynunet": NetworkConfig(arch="dynunet", n_classes=3, options={"filters": [4, 8, 8]}),
    "segresnet": NetworkConfig(
        arch="segresnet", n_classes=3, options={"blocks_down": [1, 1, 1], "blocks_up": [1, 1]}
    ),
}
#: Layers of smp's efficientnet that belong to its classifier and never run here.
IDLE = ("encoder._conv_head.", "encoder._bn1.")
STRATEGIES = ("all", "decoder", "last-three", "head", "encoder-stages:2", "scratch")


def _train(network: nn.Module, config: NetworkConfig, optimizer: str) -> torch.optim.Optimizer:
    """Take two steps as training does."""
    trained = [p for p in network.parameters() if p.requires_grad]
    if optimizer == "adamw":
        chosen: torch.optim.Optimizer = torch.optim.AdamW(trained, lr=0.01, weight_decay=0.1)
    else:
        chosen = torch.optim.SGD(trained, lr=0.05, momentum=0.9, weight_decay=0.1)
    torch.manual_seed(1)  # drop path and dropout: unlucky draws would leave a block without steps
    generator = torch.Generator().manual_seed(1)
    size = (16, 16, 16) if config.dims == 3 else (64, 64)
    for _ in range(2):
        images = torch.rand(2, 1, *size, generator=generator)
        labels = torch.randint(0, 3, (2, *size), generator=generator)
        set_modes(network)
        outputs = network(images)
        heads = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = torch.stack([nn.functional.cross_entropy(h, labels) for h in heads]).sum()
        chosen.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        chosen.step()
    return chosen


def _buffers(network: nn.Module, *, frozen: bool) -> Iterator[tuple[str, torch.Tensor]]:
    """BatchNorm statistics of layers that are frozen, or trained."""
    for name, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        if own and any(p.requires_grad for p in own) != frozen:
            yield from ((f"{name}.{key}", b) for key, b in module.named_buffers(recurse=False))


#: Each network with AdamW, some with SGD, too.
CASES = [(name, "adamw") for name in NETWORKS]
CASES += [(name, "sgd") for name in ("timm", "psp", "basicunet")]


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("name", "optimizer"), CASES)
def test_frozen_means_frozen(name: str, optimizer: str, strategy: str) -> None:
    config = NETWORKS[name]
    network = build_seeded(config, 0)
    apply_strategy(network, config, parse_strategy(strategy), seed=5)
    before = {key: t.clone() for key, t in network.state_dict().items()}
    used = _train(network, config, optimizer)
    after = network.state_dict()
    frozen = {key for key, p in network.named_parameters() if not p.requires_grad}
    still = frozen | {key for key, _ in _buffers(network, frozen=True)}
    assert all(torch.equal(after[key], before[key]) for key in still)
    moved = set(after) - still
    unmoved = {key for key in moved if torch.equal(after[key], before[key])}
    assert {key for key in unmoved if not key.startswith(IDLE)} == set()
    held = {id(p) for group in used.param_groups for p in group["params"]}
    assert held == {id(p) for p in network.parameters() if p.requires_grad}
    assert {id(p) for p in used.state} <= held
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        assert not own or module.training == any(p.requires_grad for p in own)
    assert bool(frozen) == (strategy not in ("all", "scratch"))


def _trained(network: nn.Module) -> set[str]:
    names = (name for name, p in network.named_parameters() if p.requires_grad)
    return {name.rpartition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        (
            "timm",
            {
                "decoder.blocks.2.conv1.0",
                "decoder.blocks.2.conv1.1",
                "decoder.blocks.2.conv2.0",
                "decoder.blocks.2.conv2.1",
                "segmentation_head.0",
            },
        ),
        (
            "psp",
            {
                "segmentation_head.psp.blocks.3.pool.1.0",
                "segmentation_head.psp.blocks.3.pool.1.1",
                "segmentation_head.project.0",
                "segmentation_head.project.1",
                "segmentation_head.classify",
            },
        ),
        (
            "dynunet",
            {
                "body.upsamples.1.conv_block.conv1.conv",
                "body.upsamples.1.conv_block.norm1",
                "body.upsamples.1.conv_block.conv2.conv",
                "body.upsamples.1.conv_block.norm2",
                "body.output_block.conv.conv",
            },
        ),
        (
            "segresnet",
            {
                "body.up_layers.1.0.conv1.conv",
                "body.up_layers.1.0.norm2",
                "body.up_layers.1.0.conv2.conv",
                "body.conv_final.2.conv",
            },
        ),
    ],
)
def test_the_last_three_layers_are_new_ones_and_the_rest_stays(name: str, layers: set[str]) -> None:
    config = NETWORKS[name]
    network, again, other = (build_seeded(config, 0) for _ in range(3))
    for one in (network, again, other):
        for tensor in one.state_dict().values():
            tensor.copy_(torch.full_like(tensor, 3))
    apply_strategy(network, config, parse_strategy("last-three"), seed=5)
    apply_strategy(again, config, parse_strategy("last-three"), seed=5)
    apply_strategy(other, config, parse_strategy("last-three"), seed=6)
    assert _trained(network) == layers
    for key, tensor in network.state_dict().items():
        is_new = key.rpartition(".")[0] in layers
        assert bool((tensor == 3).all()) != is_new, key
        assert torch.equal(tensor, again.state_dict()[key])
    weights = [key for key in network.state_dict() if key.endswith(("classify.weight", "0.weight"))]
    assert any(
        not torch.equal(network.state_dict()[k], other.state_dict()[k]) for k in weights
    ) or (config.dims == 3)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_head_is_the_output_layer_and_the_auxiliary_one(name: str) -> None:
    network = build_seeded(NETWORKS[name], 0)
    apply_strategy(network, NETWORKS[name], parse_strategy("head"), seed=0)
    expected = {
        "psp": {"segmentation_head.classify", "auxiliary_head.classify"},
        "basicunet": {"body.final_conv"},
        "dynunet": {"body.output_block.conv.conv"},
        "segresnet": {"body.conv_final.2.conv"},
    }
    assert _trained(network) == expected.get(name, {"segmentation_head.0"})


@pytest.mark.parametrize("name", ["resnet18", "transformer", "segresnet"])
def test_so_many_encoder_stages_are_frozen(name: str) -> None:
    config = NETWORKS[name]
    network = build_seeded(config, 0)
    parts = find_parts(network, config)
    for n_frozen in range(1, len(parts.stages) + 1):
        apply_strategy(network, config, parse_strategy(f"encoder-stages:{n_frozen}"), seed=0)
        found = [
            {p.requires_grad for p in parts.stage_parameters(k)} for k in range(len(parts.stages))
        ]
        assert found == [{k >= n_frozen} for k in range(len(parts.stages))]
    more = len(parts.stages) + 1
    with pytest.raises(UsageError, match=rf"stages:{more} freezes more .* has \({more - 1}\)"):
        apply_strategy(network, config, parse_strategy(f"encoder-stages:{more}"), seed=0)


@pytest.mark.parametrize(
    ("strategy", "iteration", "trained"),
    [
        ("all", 0, [False, False, False, False, False]),
        ("all", 9, [False, False, False, False, False]),
        ("all", 10, [False, False, False, False, True]),
        ("all", 35, [False, False, True, True, True]),
        ("all", 1000, [True, True, True, True, True]),
        ("scratch", 20, [False, False, False, True, True]),
        ("encoder-stages:2", 1000, [False, False, True, True, True]),
        ("decoder", 1000, [False, False, False, False, False]),
        ("head", 1000, [False, False, False, False, False]),
    ],
)
def test_stages_thaw_from_the_deepest(strategy: str, iteration: int, trained: list[bool]) -> None:
    config = NETWORKS["resnet18"]
    network = build_seeded(config, 0)
    chosen = parse_strategy(strategy)
    apply_strategy(network, config, chosen, seed=0)
    decoder = [p.requires_grad for p in network.get_submodule("decoder").parameters()]
    thaw(network, config, chosen, iteration=iteration, every=10)
    parts = find_parts(network, config)
    assert [{p.requires_grad for p in parts.stage_parameters(k)} for k in range(5)] == [
        {t} for t in trained
    ]
    assert [p.requires_grad for p in network.get_submodule("decoder").parameters()] == decoder


def test_without_a_number_of_iterations_nothing_is_thawed_or_frozen() -> None:
    config = NETWORKS["timm"]
    network = build_seeded(config, 0)
    apply_strategy(network, config, parse_strategy("encoder-stages:1"), seed=0)
    before = [p.requires_grad for p in network.parameters()]
    thaw(network, config, parse_strategy("encoder-stages:1"), iteration=0, every=0)
    assert [p.requires_grad for p in network.parameters()] == before


def test_a_stage_is_frozen_until_it_thaws() -> None:
    config = NETWORKS["timm"]
    network = build_seeded(config, 0)
    strategy = parse_strategy("all")
    apply_strategy(network, config, strategy, seed=0)
    thaw(network, config, strategy, iteration=1, every=1)
    before = {key: t.clone() for key, t in network.state_dict().items()}
    _train(network, config, "adamw")
    after = network.state_dict()
    encoder = [key for key in after if key.startswith("encoder.")]
    moved = {key for key in encoder if not torch.equal(after[key], before[key])}
    assert moved == {key for key in encoder if ".layer2." in key}


def test_randomness_in_frozen_parts_is_off_and_elsewhere_on() -> None:
    """Dropout in what is frozen would make it another network in each step."""
    config = NETWORKS["psp"]
    network = build_seeded(config, 0)
    apply_strategy(network, config, parse_strategy("decoder"), seed=0)
    set_modes(network)
    assert network.training
    assert network.get_submodule("segmentation_head.dropout").training
    assert not any(m.training for m in network.get_submodule("encoder").modules())
    frozen = build_seeded(NETWORKS["efficientnet"], 0)
    apply_strategy(frozen, NETWORKS["efficientnet"], parse_strategy("decoder"), seed=0)
    set_modes(frozen)
    image = torch.rand(1, 1, 64, 64)
    one, two = (frozen.get_submodule("encoder")(image)[-1] for _ in range(2))
    assert torch.equal(one, two)
