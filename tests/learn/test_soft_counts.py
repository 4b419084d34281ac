from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from napari_retseg.learn.soft_counts import compare


def _draw(*shape: int, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of `shape` (n, k, *spatial) and labels, a fifth of them not annotated."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape, generator=generator)
    target = torch.randint(0, shape[1], (shape[0], *shape[2:]), generator=generator)
    target[torch.rand(target.shape, generator=generator) < 0.2] = 255
    return logits, target


@pytest.mark.parametrize("shape", [(2, 4, 33), (2, 4, 6, 9), (2, 3, 4, 5, 6)])
def test_numbers_are_those_of_a_plain_softmax(shape: tuple[int, ...]) -> None:
    logits, target = _draw(*shape)
    overlaps = compare(logits, target)
    p = logits.softmax(1)
    for c in range(shape[1]):
        own = target == c
        assert float(overlaps.reference[c]) == int(own.sum())
        assert float(overlaps.predicted[c]) == pytest.approx(float(p[:, c][target != 255].sum()))
        found = float(p[:, c][own].sum())
        assert float(overlaps.true_positive[c]) == pytest.approx(found)
        others = float(p[:, c][~own & (target != 255)].sum())
        assert float(overlaps.false_positive[c]) == pytest.approx(others, rel=1e-4)
        lacking = float((1 - p[:, c][own]).sum())
        assert float(overlaps.false_negative[c]) == pytest.approx(lacking, rel=1e-4)
    assert int(overlaps.n_annotated) == int((target != 255).sum())
    entropy = F.cross_entropy(logits, target, ignore_index=255, reduction="none")
    torch.testing.assert_close(-overlaps.log_probability, entropy)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradient_is_that_of_autograd_through_a_plain_softmax(layout: torch.memory_format) -> None:
    logits, target = _draw(2, 5, 7, 8)
    generator = torch.Generator().manual_seed(9)
    of_pixels = torch.randn(target.shape, generator=generator)
    of_sums = torch.randn(5, generator=generator)

    ours = logits.clone(memory_format=layout).requires_grad_()
    overlaps = compare(ours, target)
    value = (overlaps.log_probability * of_pixels).sum() + overlaps.predicted @ of_sums
    (gradient,) = torch.autograd.grad(value, ours)

    plain = logits.double().requires_grad_()
    annotated = target != 255
    log_p = plain.log_softmax(1)
    chosen = log_p.gather(1, target.where(annotated, 0)[:, None])[:, 0][annotated]
    sums = (log_p.exp() * annotated[:, None]).sum((0, 2, 3))
    value = (chosen * of_pixels[annotated]).sum() + sums @ of_sums.double()
    (expected,) = torch.autograd.grad(value, plain)
    torch.testing.assert_close(gradient.double(), expected, rtol=1e-5, atol=1e-6)


def test_sums_are_exact_over_many_pixels() -> None:
    """A running sum in float32 over this many equal pixels would be off by a per cent."""
    logits = torch.zeros(1, 3, 2048, 2048)
    overlaps = compare(logits, torch.zeros(1, 2048, 2048, dtype=torch.int64))
    assert float(overlaps.true_positive[0]) == pytest.approx(2048**2 / 3, rel=1e-5)
    assert float(overlaps.reference[0]) == 2048**2


def test_sums_are_not_computed_in_half_precision_under_autocast() -> None:
    logits, target = _draw(2, 5, 16, 16)
    gradients: list[torch.Tensor] = []
    for enabled in (False, True):
        ours = logits.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            value = compare(ours, target).predicted.square().sum()
            gradients.extend(torch.autograd.grad(value, ours))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)
