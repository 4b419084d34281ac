from __future__ import annotations

import math
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch.nn import functional as F

from napari_retseg.config.texts import LOSSES
from napari_retseg.learn.losses import build_loss

ALL = [*LOSSES, "0.5*ce + 0.5*dice", "0.3*wce + 2*lovasz + focal(gamma=0.5)"]
DEFAULT = "0.5*ce + 0.5*dice"

#: Three pixels, two classes: p of class 1 is 0.2, 0.6 and 0.7, and the labels are 0, 1, 0. So
#: class 0 has 1.1 true positive, 0.4 false positive and 0.9 false negative pixels, and class 1
#: has 0.6, 0.9 and 0.4.
P = torch.tensor([[0.8, 0.4, 0.3], [0.2, 0.6, 0.7]])
LABELS = torch.tensor([0, 1, 0])
WEIGHTS = torch.tensor([1.0, 3.0])
LN = [math.log(0.8), math.log(0.6), math.log(0.3)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ce", -sum(LN) / 3),
        ("wce", -(LN[0] + 3 * LN[1] + LN[2]) / (1 + 3 + 1)),
        ("dice", 1 - (2.1 / 2.75 + 1.6 / 2.25) / 2),
        ("wdice", 1 - (2.1 / 2.75 + 3 * 1.6 / 2.25) / 4),
        ("gdice", 1 - 2 * (1.1 / 4 + 0.6) / ((1.1 + 0.4 + 2) / 4 + (0.6 + 0.9 + 1))),
        ("focal", -(0.04 * LN[0] + 0.16 * LN[1] + 0.49 * LN[2]) / 3),
        ("focal(gamma=1)", -(0.2 * LN[0] + 0.4 * LN[1] + 0.7 * LN[2]) / 3),
        (
            "tversky",
            1 - (2.1 / (2.1 + 0.3 * 0.4 + 0.7 * 0.9) + 1.6 / (1.6 + 0.3 * 0.9 + 0.7 * 0.4)) / 2,
        ),
        ("tversky(alpha=1, beta=0)", 1 - (2.1 / 2.5 + 1.6 / 2.5) / 2),
        # class 0: errors 0.7, (0.4), 0.2 at Jaccard losses 1/2, 2/3, 1; in brackets: of others.
        # class 1: errors (0.7), 0.4, (0.2) at 1/2, 1, 1
        (
            "lovasz",
            (0.7 / 2 + 0.4 * (2 / 3 - 1 / 2) + 0.2 * (1 - 2 / 3) + 0.7 / 2 + 0.4 * (1 - 1 / 2)) / 2,
        ),
        ("2*ce + 0.25*gdice", -2 * sum(LN) / 3 + 0.25 * (1 - 2 * 0.875 / 3.375)),
    ],
)
def test_hand_computed_case(text: str, expected: float) -> None:
    loss = build_loss(text, weights=WEIGHTS)
    flat = float(loss(P.log()[None, :, None], LABELS[None, None]))
    assert flat == pytest.approx(expected, rel=1e-5)
    # the same pixels as a volume, among others that are not annotated
    logits = torch.randn(2, 2, 2, 3, 4, generator=torch.Generator().manual_seed(5))
    target = torch.full((2, 2, 3, 4), 255)
    for i, (n, z, y, x) in enumerate([(0, 1, 2, 0), (1, 0, 0, 3), (1, 1, 1, 1)]):
        logits[n, :, z, y, x] = P[:, i].log()
        target[n, z, y, x] = LABELS[i]
    assert float(loss(logits, target)) == pytest.approx(expected, rel=1e-5)


def _draw(k: int = 4, *, annotated_to: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (2, k, 8, 12), and labels on the first `annotated_to` columns."""
    generator = torch.Generator().manual_seed(11)
    logits = 1.5 * torch.randn(2, k, 8, 12, generator=generator)
    target = torch.randint(0, k, (2, 8, 12), generator=generator)
    target[..., annotated_to:] = 255
    return logits, target


@pytest.mark.parametrize("text", ALL)
def test_pixels_that_are_not_annotated_have_no_part(text: str) -> None:
    logits, target = _draw()
    loss = build_loss(text, weights=torch.tensor([0.5, 1.0, 2.0, 0.5]))
    logits.requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert logits.grad is not None
    assert not logits.grad[..., 7:].any()
    assert logits.grad[..., :7].any(1).all()
    changed = logits.detach().clone()
    changed[..., 7:] = 50 * changed[..., 7:].flip(1)
    assert float(loss(changed, target)) == float(value.detach())
    cropped = loss(logits[..., :7].detach(), target[..., :7])
    assert float(cropped) == pytest.approx(float(value.detach()), rel=1e-6)


@pytest.mark.parametrize("text", ALL)
def test_nothing_annotated_costs_nothing(text: str) -> None:
    logits, target = _draw(annotated_to=0)
    logits.requires_grad_()
    value = build_loss(text, weights=None)(logits, target)
    value.backward()
    assert float(value.detach()) == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_default_is_half_of_cross_entropy_and_of_the_dice_of_smp() -> None:
    """A class is missing and pixels are not annotated; the gradients agree, too."""
    logits, target = _draw(5)
    target[target == 3] = 1
    soft = smp.losses.DiceLoss(mode="multiclass", ignore_index=255, smooth=1.0)

    def reference(logits: torch.Tensor) -> torch.Tensor:
        entropy = F.cross_entropy(logits, target, ignore_index=255)
        value: torch.Tensor = 0.5 * entropy + 0.5 * soft(logits, target)
        return value

    gradients = []
    for function in (lambda x: build_loss(DEFAULT, weights=None)(x, target), reference):
        x = logits.clone().requires_grad_()
        value = function(x)
        value.backward()
        gradients.append((value.detach(), x.grad))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ("wce", torch.nn.CrossEntropyLoss(torch.tensor([0.5, 1.0, 2.0, 0.0]), ignore_index=255)),
        (
            "wdice",
            smp.losses.DiceLoss(
                "multiclass", smooth=1.0, ignore_index=255, class_weights=[0.5, 1.0, 2.0, 0.0]
            ),
        ),
        (
            "tversky(alpha=0.2, beta=0.9)",
            smp.losses.TverskyLoss("multiclass", smooth=1.0, ignore_index=255, alpha=0.2, beta=0.9),
        ),
        ("lovasz", smp.losses.LovaszLoss("multiclass", ignore_index=255)),
    ],
)
def test_value_and_gradient_are_those_of_smp_and_torch(text: str, theirs: torch.nn.Module) -> None:
    logits, target = _draw()
    found = []
    for loss in (build_loss(text, weights=torch.tensor([0.5, 1.0, 2.0, 0.0])), theirs):
        x = logits.clone().requires_grad_()
        value = loss(x, target)
        value.backward()
        found.append((value.detach(), x.grad))
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-7)


def test_focal_of_two_classes_is_the_binary_one_of_smp() -> None:
    """That of several classes is not Lin's of a softmax there, but a sigmoid for each class."""
    logits, target = _draw(2)
    theirs = smp.losses.FocalLoss("binary", gamma=1.5, ignore_index=255)
    expected = float(theirs(logits[:, 1] - logits[:, 0], target))
    value = build_loss("focal(gamma=1.5)", weights=None)(logits, target)
    assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_values_are_those_of_monai() -> None:
    """Only without pixels that are not annotated; and MONAI's focal loss is a mean over k."""
    from monai.losses.dice import DiceLoss, GeneralizedDiceLoss
    from monai.losses.focal_loss import FocalLoss
    from monai.losses.tversky import TverskyLoss

    logits, target = _draw(annotated_to=12)
    options: dict[str, Any] = {"softmax": True, "to_onehot_y": True, "batch": True}
    theirs = {
        "dice": DiceLoss(smooth_nr=2, smooth_dr=2, **options),
        "tversky(alpha=0.2, beta=0.9)": TverskyLoss(
            alpha=0.2, beta=0.9, smooth_nr=1, smooth_dr=1, **options
        ),
        "gdice": GeneralizedDiceLoss(smooth_nr=0, smooth_dr=0, **options),
        "0.25*focal(gamma=3)": FocalLoss(gamma=3, to_onehot_y=True, use_softmax=True),
    }
    for text, loss in theirs.items():
        expected = float(loss(logits, target[:, None]))
        value = float(build_loss(text, weights=None)(logits, target))
        assert value == pytest.approx(expected, rel=1e-5), text


@pytest.mark.parametrize("text", ALL)
@pytest.mark.parametrize("case", ["all classes", "one absent", "background only"])
def test_descent_leads_to_the_reference(text: str, case: str) -> None:
    """Also where classes have no pixel: the value and gradient are finite, and they vanish."""
    _, target = _draw()
    target[(target == 2) & (case == "one absent")] = 1
    target[(target != 255) & (case == "background only")] = 0
    logits = torch.zeros(2, 4, 8, 12, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.2)
    loss = build_loss(text, weights=torch.tensor([0.5, 1.0, 2.0, 0.5]))
    values = []
    for _ in range(80):
        optimizer.zero_grad()
        value = loss(logits, target)
        value.backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        optimizer.step()
        values.append(float(value.detach()))
    annotated = target != 255
    assert (logits.argmax(1)[annotated] == target[annotated]).all()
    assert values[-1] < 0.1 * values[0]


@pytest.mark.parametrize("text", ALL)
def test_certain_answers_have_finite_values_and_gradients(text: str) -> None:
    """Logits of 1000, right and wrong: no logarithm of 0, no power of 0."""
    _, target = _draw()
    right = 1000.0 * F.one_hot(target.where(target != 255, 0), 4).movedim(-1, 1)
    for logits in (right, right.roll(1, dims=1)):
        x = logits.clone().requires_grad_()
        value = build_loss(text, weights=None)(x, target)
        value.backward()
        assert value.isfinite()
        assert x.grad is not None
        assert x.grad.isfinite().all()
    assert float(build_loss(text, weights=None)(right, target)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("text", ALL)
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(text: str, precision: torch.dtype) -> None:
    logits, target = _draw()
    half = logits.to(precision).to(memory_format=torch.channels_last).requires_grad_()
    full = half.detach().float().requires_grad_()
    loss = build_loss(text, weights=None)
    values = [loss(half, target), loss(full, target)]
    torch.testing.assert_close(values[0], values[1], rtol=1e-6, atol=0)
    for value in values:
        assert value.dtype == torch.float32
        value.backward()
    assert half.grad is not None
    assert full.grad is not None
    assert half.grad.dtype == precision
    torch.testing.assert_close(half.grad, full.grad.to(precision), rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("text", ALL)
def test_autocast_does_not_change_the_value(text: str) -> None:
    logits, target = _draw()
    loss = build_loss(text, weights=None)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    assert float(value) == float(loss(logits, target))


def test_without_weights_all_classes_count_the_same() -> None:
    logits, target = _draw()
    for weighted, plain in (("wce", "ce"), ("wdice", "dice")):
        value = build_loss(weighted, weights=None)(logits, target)
        assert float(value) == pytest.approx(float(build_loss(plain, weights=None)(logits, target)))


@pytest.mark.parametrize("text", ["wce", "wdice"])
def test_a_class_of_weight_zero_has_no_pixel_in_the_value(text: str) -> None:
    """In wce its own pixels have no part; in wdice its own overlap has none."""
    logits, target = _draw()
    loss = build_loss(text, weights=torch.tensor([1.0, 1.0, 1.0, 0.0]))
    if text == "wce":
        expected = build_loss("ce", weights=None)(logits, target.where(target != 3, 255))
    else:
        three = [
            build_loss(text, weights=F.one_hot(torch.tensor(c), 4))(logits, target)
            for c in range(3)
        ]
        expected = torch.stack(three).mean()
    assert float(loss(logits, target)) == pytest.approx(float(expected), rel=1e-6)


def test_tversky_weighs_misses_by_beta() -> None:
    """Two answers that differ in kind: one misses the lesion, the other marks too much."""
    target = torch.zeros(1, 1, 100, dtype=torch.int64)
    target[..., :20] = 1
    missing, excess = target.clone(), target.clone()
    missing[..., 10:20], excess[..., 20:30] = 0, 1

    def cost(answer: torch.Tensor, text: str) -> float:
        logits = 50.0 * F.one_hot(answer, 2).movedim(-1, 1)
        return float(build_loss(text, weights=torch.tensor([0.0, 1.0]))(logits, target))

    assert cost(missing, "tversky(alpha=0.1, beta=0.9)") > 1.5 * cost(
        excess, "tversky(alpha=0.1, beta=0.9)"
    )
    assert cost(excess, "tversky(alpha=0.9, beta=0.1)") > 1.1 * cost(
        missing, "tversky(alpha=0.9, beta=0.1)"
    )


def test_focal_turns_to_the_hard_pixels() -> None:
    """The share of the easy pixel in the gradient falls as gamma rises."""
    shares = []
    for gamma in (0, 1, 3):
        logits = torch.tensor([[[[3.0, -1.0]], [[0.0, 0.0]]]], requires_grad=True)
        build_loss(f"focal(gamma={gamma})", weights=None)(
            logits, torch.zeros(1, 1, 2, dtype=torch.int64)
        ).backward()
        assert logits.grad is not None
        easy, hard = logits.grad[0, 0, 0].abs().tolist()
        shares.append(easy / hard)
    assert shares[0] > 2 * shares[1] > 4 * shares[2]


def test_weights_go_with_the_module_but_are_no_parameters() -> None:
    loss = build_loss("wce", weights=torch.tensor([1, 2]))
    assert not list(loss.parameters())
    assert loss.state_dict()["weights"].tolist() == [1.0, 2.0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("text", ALL)
def test_deterministic_algorithms_on_a_gpu_give_the_cpus_value(text: str) -> None:
    logits, target = _draw()
    loss = build_loss(text, weights=torch.tensor([0.5, 1.0, 2.0, 0.5]))
    found = []
    torch.use_deterministic_algorithms(True)
    try:
        for device in ("cpu", "cuda"):
            x = logits.to(device).requires_grad_()
            value = loss(x, target.to(device))
            value.backward()
            assert x.grad is not None
            found.append((value.detach().cpu(), x.grad.cpu()))
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-7)


def test_partial_labels_by_hand() -> None:
    """Three classes; the second pixel is of the first or the second."""
    p = torch.tensor([[0.7, 0.5, 0.1], [0.1, 0.3, 0.1], [0.2, 0.2, 0.8]])
    logits, target = p.log()[None, :, None], torch.tensor([[[0, 3, 2]]])
    entropy = build_loss("ce", partial=((0, 1),))(logits, target)
    assert float(entropy) == pytest.approx(-math.log(0.7 * 0.8 * 0.8) / 3)
    # of class 2 it is a false positive; whether it is one of class 0 or 1 is not known
    lack = build_loss("dice", partial=((0, 1),))(logits, target)
    first = 1 - (0.7 + 1) / (0.7 + 0.5 * (0.1 + 0.3) + 1)
    last = 1 - (0.8 + 1) / (0.8 + 0.5 * (0.2 + 0.2 + 0.2) + 1)
    assert float(lack) == pytest.approx((first + last) / 3)


@pytest.mark.parametrize("text", ALL)
def test_a_partial_label_of_every_class_says_nothing(text: str) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(1, 3, 4, 5, generator=generator).requires_grad_()
    target = torch.randint(3, (1, 4, 5), generator=generator)
    target[0, 1] = 3
    loss = build_loss(text, weights=torch.tensor([1.0, 2.0, 0.5]), partial=((0, 1, 2),))
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    assert gradient[:, :, 0].abs().max() > 1e-3
    torch.testing.assert_close(gradient[:, :, 1], torch.zeros(1, 3, 5), rtol=0, atol=1e-6)
