from __future__ import annotations

import copy
import math

import pytest
import torch

from napari_retseg.config import TrainConfig
from napari_retseg.errors import ModelError
from napari_retseg.learn.optimise import (
    StartingPoint,
    build_optimizer,
    clip_gradients,
    set_rate,
)

CPU = torch.device("cpu")


def _network() -> torch.nn.Sequential:
    """Encoder (convolution, norm) and head (convolution)."""
    torch.manual_seed(4)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Conv2d(3, 2, 1)
    )


def _first(network: torch.nn.Sequential) -> torch.nn.Parameter:
    """Weight of the encoder's convolution."""
    return network.get_parameter("0.weight")


def _build(
    network: torch.nn.Sequential, config: TrainConfig, **options: list[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    encoder = [*network[0].parameters(), *network[1].parameters()]
    return build_optimizer(network, config, encoder=encoder, device=CPU, **options)


def _groups(
    network: torch.nn.Sequential, optimizer: torch.optim.Optimizer
) -> dict[str, tuple[float, float]]:
    """Factor of the rate and weight decay of each parameter."""
    names = {id(p): name for name, p in network.named_parameters()}
    return {
        names[id(p)]: (group["lr_factor"], group["weight_decay"])
        for group in optimizer.param_groups
        for p in group["params"]
    }


def test_decay_and_rates_of_each_parameter() -> None:
    network = _network()
    config = TrainConfig(encoder_lr=0.1, weight_decay=0.05)
    assert _groups(network, _build(network, config)) == {
        "0.weight": (0.1, 0.05),
        "0.bias": (0.1, 0.0),
        "1.weight": (0.1, 0.0),
        "1.bias": (0.1, 0.0),
        "2.weight": (1.0, 0.05),
        "2.bias": (1.0, 0.0),
    }


def test_frozen_parameters_are_left_out_unless_they_are_trained_later() -> None:
    network = _network()
    network[0].requires_grad_(False)
    network[1].requires_grad_(False)
    alone = _groups(network, _build(network, TrainConfig()))
    assert alone.keys() == {"2.weight", "2.bias"}
    later = list(network[1].parameters())
    assert _groups(network, _build(network, TrainConfig(), later=later)).keys() == {
        "1.weight",
        "1.bias",
        "2.weight",
        "2.bias",
    }


def test_a_rate_goes_to_the_groups_by_their_factor() -> None:
    network = _network()
    optimizer = _build(network, TrainConfig(encoder_lr=0.1, lr=0.5))
    assert {g["lr_factor"]: g["lr"] for g in optimizer.param_groups} == {1.0: 0.5, 0.1: 0.05}
    set_rate(optimizer, 0.2)
    rates = {g["lr_factor"]: g["lr"] for g in optimizer.param_groups}
    assert rates == pytest.approx({1.0: 0.2, 0.1: 0.02})


def test_the_encoder_moves_by_its_part_of_the_rate() -> None:
    network = _network()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = _build(
        network, TrainConfig(optimizer="sgd", encoder_lr=0.1, momentum=0, weight_decay=0)
    )
    set_rate(optimizer, 0.5)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, parameter in network.named_parameters():
        step = 0.5 if name.startswith("2") else 0.05
        torch.testing.assert_close(parameter.detach(), before[name] - step)


def _run(steps: int = 3, gradient: float = 1.0, **options: object) -> list[float]:
    """Follow a single weight that starts at 2, its gradient always the same."""
    layer = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, 2.0)
    config = TrainConfig.model_validate({"lr": 0.1, **options})
    optimizer = build_optimizer(layer, config, encoder=(), device=CPU)
    values = []
    for _ in range(steps):
        layer.weight.grad = torch.full_like(layer.weight, gradient)
        optimizer.step()
        values.append(float(layer.weight.detach()))
    return values


def test_sgd_has_momentum_and_l2_in_the_gradient() -> None:
    """Velocity v = m v + (g + d w), then w = w - lr v."""
    expected, w, v = [], 2.0, 0.0
    for _ in range(3):
        v = 0.5 * v + 1.0 + 0.3 * w
        w -= 0.1 * v
        expected.append(w)
    assert _run(optimizer="sgd", momentum=0.5, weight_decay=0.3) == pytest.approx(expected)


def test_adam_has_l2_in_the_gradient() -> None:
    """A steady gradient moves the weight by lr a step, however strong the decay makes it.

    The sign of g + d w decides: at -0.5 + 0.3 * 2 > 0 the weight falls.
    """
    assert _run(1, optimizer="adam", weight_decay=0.3) == pytest.approx([1.9], abs=1e-5)
    assert _run(1, -0.5, optimizer="adam", weight_decay=0) == pytest.approx([2.1], abs=1e-5)
    assert _run(1, -0.5, optimizer="adam", weight_decay=0.3) == pytest.approx([1.9], abs=1e-5)


def test_adamw_decays_apart_from_the_gradient() -> None:
    """The weight is scaled by 1 - lr d, and moved by lr."""
    assert _run(1, optimizer="adamw", weight_decay=0.3) == pytest.approx([2 * 0.97 - 0.1])
    assert _run(1, -0.5, optimizer="adamw", weight_decay=0.3) == pytest.approx([2 * 0.97 + 0.1])


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("unfreeze", [0, 1])
def test_parameters_without_a_gradient_keep_their_bits_and_have_no_state(
    name: str, unfreeze: int
) -> None:
    """Whether they are named as trained later, or frozen after the optimizer was built."""
    network = _network()
    config = TrainConfig(optimizer=name, weight_decay=0.5, unfreeze=unfreeze)
    network[0].requires_grad_(bool(unfreeze))
    optimizer = _build(network, config, later=[] if unfreeze else list(network[0].parameters()))
    network[0].requires_grad_(False)
    before = _first(network).detach().clone()
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.ones(2, 1, 5, 5)).square().sum().backward()
        optimizer.step()
    assert torch.equal(_first(network), before)
    assert _first(network) not in optimizer.state
    network[0].requires_grad_(True)
    network(torch.ones(2, 1, 5, 5)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(_first(network), before)


def test_state_goes_on_where_it_was() -> None:
    network, twin = _network(), _network()
    config = TrainConfig(encoder_lr=0.3)
    optimizer, other = _build(network, config), _build(twin, config)

    def step(network: torch.nn.Sequential, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        network(torch.arange(50.0).view(2, 1, 5, 5)).square().sum().backward()
        set_rate(optimizer, 0.01)
        optimizer.step()

    step(network, optimizer)
    twin.load_state_dict(network.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(network, optimizer)
    step(twin, other)
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_clipping_returns_the_norm_and_keeps_the_direction() -> None:
    first, second, without = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    first.grad, second.grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    parameters = [first, second, without]
    assert clip_gradients(iter(parameters), 10) == pytest.approx(5)
    assert clip_gradients(parameters, 0) == pytest.approx(5)
    assert (first.grad.tolist(), second.grad.tolist()) == ([3, 0], [0, 4])
    assert clip_gradients(parameters, 1) == pytest.approx(5)
    assert first.grad.tolist() == pytest.approx([0.6, 0], rel=1e-5)
    assert second.grad.tolist() == pytest.approx([0, 0.8], rel=1e-5)
    assert math.isclose(clip_gradients(parameters, 0), 1, rel_tol=1e-5)


def test_the_pull_is_the_gradient_of_the_distance_to_the_start() -> None:
    network = _network()
    start = StartingPoint(network, 0.5, names={"0.weight", "0.bias", "1.weight"})
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    network.get_parameter("0.bias").requires_grad_(False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(2.0)
    for name, parameter in network.named_parameters():
        if name != "0.bias":
            parameter.grad = torch.full_like(parameter, 0.25)
    start.add_to_gradients(network)
    for name, parameter in network.named_parameters():
        if name == "0.bias":
            assert parameter.grad is None
            continue
        assert parameter.grad is not None
        pulled = name in ("0.weight", "1.weight")
        distance = parameter.detach() - before[name]
        expected = 0.25 + 0.5 * distance if pulled else torch.full_like(parameter, 0.25)
        torch.testing.assert_close(parameter.grad, expected)


def test_the_pull_brings_weights_back_to_the_start() -> None:
    network = _network()
    begin = _first(network).detach().clone()
    start = StartingPoint(network, 1.0)
    optimizer = _build(network, TrainConfig(optimizer="sgd", momentum=0, weight_decay=0, lr=0.2))
    with torch.no_grad():
        _first(network).add_(1.0)
    for _ in range(60):
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        start.add_to_gradients(network)
        optimizer.step()
    torch.testing.assert_close(_first(network).detach(), begin, rtol=0, atol=1e-4)


def test_a_resumed_run_is_pulled_to_where_it_began() -> None:
    network = _network()
    saved = {k: v.clone() for k, v in StartingPoint(network, 0.5).state_dict().items()}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(2.0)
            parameter.grad = torch.zeros_like(parameter)
    resumed = StartingPoint(network, 0.5)
    resumed.load_state_dict(saved)
    resumed.add_to_gradients(network)
    for parameter in network.parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, torch.ones_like(parameter))
    with pytest.raises(ModelError, match=r"different 2\.bias, 2\.weight"):
        resumed.load_state_dict({k: v for k, v in saved.items() if not k.startswith("2")})


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_the_optimiser_is_fused_where_it_can_be(name: str) -> None:
    config = TrainConfig(optimizer=name)
    assert _build(_network(), config).defaults["fused"]
