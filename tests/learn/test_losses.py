from __future__ import annotations

import math

import pytest
import torch

from napari_retseg.learn.losses import CrossEntropyDice


def test_hand_computed_case() -> None:
    """Two pixels, two classes, probabilities 0.5: cross-entropy is ln 2.

    Each class has 0.5 true positive, 0.5 false positive and 0.5 false negative pixels, so
    its soft Dice with smoothing 1 is (0.5 + 1) / (0.5 + (0.5 + 0.5) / 2 + 1) = 3/4.
    """
    logits = torch.zeros(1, 2, 1, 2)
    target = torch.tensor([[[0, 1]]])
    expected = 0.5 * math.log(2) + 0.5 * (1 - 3 / 4)
    assert float(CrossEntropyDice()(logits, target)) == pytest.approx(expected, abs=1e-5)


def test_pixels_that_are_not_annotated_have_no_part() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    target = torch.randint(0, 3, (2, 4, 5), generator=torch.Generator().manual_seed(2))
    target[0, 1:3] = 255
    logits.requires_grad_()
    loss = CrossEntropyDice()(logits, target)
    loss.backward()
    assert logits.grad is not None
    ignored = (target == 255)[:, None].expand_as(logits)
    assert not logits.grad[ignored].any()
    assert logits.grad[~ignored].all()
    changed = torch.where(ignored, logits.detach() + 50, logits.detach())
    assert float(CrossEntropyDice()(changed, target)) == pytest.approx(
        float(loss.detach()), rel=1e-6
    )


def test_a_perfect_answer_costs_nothing() -> None:
    target = torch.tensor([[[0, 1], [2, 255]]])
    logits = torch.full((1, 3, 2, 2), -50.0)
    for row, column, index in ((0, 0, 0), (0, 1, 1), (1, 0, 2)):
        logits[0, index, row, column] = 50
    assert float(CrossEntropyDice()(logits, target)) == pytest.approx(0, abs=1e-6)
