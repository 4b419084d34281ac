from __future__ import annotations

import copy
import gc
import weakref

import pytest
import torch

from napari_retseg.config import NetworkConfig
from napari_retseg.nets.build import build_network, build_seeded, make_probe
from napari_retseg.nets.stages import find_convolutions, find_output_layers, find_parts

#: Number of stages, and a name at the beginning of each (without "encoder." or "body.").
STAGES = {
    "resnet18": ("conv1", "layer1.0.conv1", "layer2.0.conv1", "layer3.0.conv1", "layer4.0.conv1"),
    "tu-resnet10t": (
        "model.conv1.0",
        "model.layer1.0.conv1",
        "model.layer2.0.conv1",
        "model.layer3.0.conv1",
        "model.layer4.0.conv1",
    ),
    "efficientnet-b0": (
        "_conv_stem",
        "_blocks.0._depthwise_conv",
        "_blocks.3._expand_conv",
        "_blocks.5._expand_conv",
        "_blocks.9._expand_conv",
    ),
    "mobilenet_v2": (
        "features.0.0",
        "features.2.conv.0.0",
        "features.4.conv.0.0",
        "features.7.conv.0.0",
        "features.14.conv.0.0",
    ),
    "mit_b0": ("patch_embed1.proj", "patch_embed2.proj", "patch_embed3.proj", "patch_embed4.proj"),
    "densenet121": (
        "features.conv0",
        "features.denseblock1.denselayer1.norm1",
        "features.transition1.conv",
        "features.transition2.conv",
        "features.transition3.conv",
    ),
    "tu-efficientnet_lite0": (
        "model.conv_stem",
        "model.blocks.1.0.conv_pw",
        "model.blocks.2.0.conv_pw",
        "model.blocks.3.0.conv_pw",
        "model.blocks.5.0.conv_pw",
    ),
    "tu-convnext_atto": (
        "model.stem_0",
        "model.stages_1.downsample.0",
        "model.stages_2.downsample.0",
        "model.stages_3.downsample.0",
    ),
    "tu-pvt_v2_b0": (
        "model.patch_embed.proj",
        "model.stages_1.downsample.proj",
        "model.stages_2.downsample.proj",
        "model.stages_3.downsample.proj",
    ),
    "vgg11": ("features.0", "features.3", "features.6", "features.11", "features.16"),
}
#: The rest of the families, whose stages are only counted.
COUNTED = {"dpn68": 5, "se_resnet50": 5, "mobileone_s0": 5, "inceptionv4": 5, "tu-dla34": 5}


def _first_names(network: torch.nn.Module, config: NetworkConfig, root: str) -> tuple[str, ...]:
    names = {id(m): name for name, m in network.get_submodule(root).named_modules()}
    return tuple(names[id(stage[0])] for stage in find_parts(network, config).stages)


@pytest.mark.parametrize("encoder", STAGES)
def test_stages_begin_where_an_encoder_says(encoder: str) -> None:
    config = NetworkConfig(encoder=encoder, in_channels=2)
    assert _first_names(build_network(config), config, "encoder") == STAGES[encoder]


@pytest.mark.parametrize("encoder", [*STAGES, *COUNTED])
def test_each_encoder_parameter_is_in_one_stage(encoder: str) -> None:
    config = NetworkConfig(encoder=encoder)
    network = build_network(config)
    parts = find_parts(network, config)
    found = [id(p) for p in parts.encoder_parameters()]
    assert len(set(found)) == len(found)
    assert set(found) == {id(p) for p in network.get_submodule("encoder").parameters()}
    assert len(parts.stages) == COUNTED.get(encoder, len(STAGES.get(encoder, ())))
    assert all(parts.stage_parameters(k) for k in range(len(parts.stages)))
    everything = [*parts.encoder, *parts.decoder, *parts.head]
    covered = {id(p) for module in everything for p in module.parameters()}
    assert covered == {id(p) for p in network.parameters()}


def test_a_dilated_encoder_has_as_many_stages() -> None:
    """Its last stage has the resolution of the one before."""
    config = NetworkConfig(arch="deeplabv3", encoder="resnet18")
    assert _first_names(build_network(config), config, "encoder") == STAGES["resnet18"]


def test_a_vision_transformer_ends_stages_where_maps_are_taken() -> None:
    config = NetworkConfig(arch="dpt", encoder="tu-vit_tiny_patch16_224")
    network = build_network(config)
    parts = find_parts(network, config)
    names = {id(m): name for name, m in network.get_submodule("encoder.model").named_modules()}
    # class token and positions are parameters of the transformer itself
    assert [names[id(stage[0])] for stage in parts.stages] == [
        "",
        "blocks.3.norm1",
        "blocks.6.norm1",
        "blocks.9.norm1",
    ]
    assert len(parts.encoder_parameters()) == len(list(network.encoder.parameters()))  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arch", "stages", "output"),
    [
        ("basicunet", 5, "body.final_conv"),
        ("dynunet", 5, "body.output_block.conv.conv"),
        ("segresnet", 4, "body.conv_final.2.conv"),
    ],
)
def test_volumetric_networks_in_parts(arch: str, stages: int, output: str) -> None:
    config = NetworkConfig(arch=arch)
    network = build_network(config)
    parts = find_parts(network, config)
    assert len(parts.stages) == stages
    found = [id(p) for p in parts.encoder_parameters()]
    found += [id(p) for module in (*parts.decoder, *parts.head) for p in module.parameters()]
    assert sorted(found) == sorted(id(p) for p in network.parameters())
    assert list(find_output_layers(network, config)) == [output]
    assert network.get_submodule(output) in parts.head[0].modules()


@pytest.mark.parametrize("arch", ["unet", "basicunet"])
def test_watching_changes_nothing(arch: str) -> None:
    config = NetworkConfig(arch=arch, encoder="tu-resnet10t")
    network = build_seeded(config, 0).train()
    frozen = next(iter(network.children()))
    frozen.eval()
    modes = [module.training for module in network.modules()]
    state = copy.deepcopy(network.state_dict())
    find_parts(network, config)
    find_convolutions(network, make_probe(config))
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(t, state[name]) for name, t in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert all(not p.is_inference() and p.grad is None for p in network.parameters())


def test_parts_are_kept_while_the_network_lives() -> None:
    config = NetworkConfig(encoder="tu-resnet10t")
    network = build_network(config)
    assert find_parts(network, config) is find_parts(network, config)
    assert find_parts(copy.deepcopy(network), config) is not find_parts(network, config)
    gone = weakref.ref(network)
    del network
    gc.collect()
    assert gone() is None


class _Order(torch.nn.Module):
    """Runs its layers in another order than they are defined, and changes one output in place."""

    def __init__(self) -> None:
        super().__init__()
        self.last = torch.nn.Conv2d(4, 2, 1)
        self.norm = torch.nn.BatchNorm2d(4)
        self.other = torch.nn.InstanceNorm2d(4, affine=True)
        self.up = torch.nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.first = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.idle = torch.nn.Conv2d(1, 4, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.norm(self.first(image))
        features = self.up(features)
        features += 1
        features = self.other(features)
        logits: torch.Tensor = self.last(features)
        return logits


def test_convolutions_come_in_order_of_execution_with_their_norm() -> None:
    network = _Order()
    found = find_convolutions(network, torch.rand(1, 1, 8, 8))
    assert [(layer.name, layer.norm) for layer in found] == [
        ("first", network.norm),
        ("up", None),
        ("last", None),
    ]
    assert all(layer.once for layer in found)


def test_the_auxiliary_output_is_found() -> None:
    config = NetworkConfig(encoder="tu-resnet10t", head="aspp", auxiliary=True)
    found = find_output_layers(build_network(config), config)
    assert list(found) == ["segmentation_head.classify", "auxiliary_head.classify"]
