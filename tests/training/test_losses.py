"""The parts of the loss do what their papers say, on tensors small enough to check by hand."""

import math

import torch

from training.adversarial import no_push, worst_push
from training.batches import IGNORED
from training.losses import away_from_orthogonal, contrastive_loss, distance_from, labelled_loss


def test_rows_without_a_label_do_not_count() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    both = labelled_loss(logits, torch.tensor([0, 1]), smoothing=0.0)
    first = labelled_loss(logits, torch.tensor([0, IGNORED]), smoothing=0.0)
    assert math.isclose(float(first), math.log(1 + math.exp(-2)), rel_tol=1e-5)
    assert float(both) > float(first)
    assert float(labelled_loss(logits, torch.tensor([IGNORED, IGNORED]), smoothing=0.0)) == 0.0


def test_smoothing_makes_certainty_cost() -> None:
    certain, labels = torch.tensor([[20.0, 0.0]]), torch.tensor([0])
    assert labelled_loss(certain, labels, smoothing=0.1) > labelled_loss(certain, labels, smoothing=0.0) + 0.5


def test_the_contrastive_loss_is_less_where_partners_are_near() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    sorted_rows = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    mixed_rows = sorted_rows[[0, 2, 1, 3]]
    assert contrastive_loss(sorted_rows, labels, temperature=0.1) < contrastive_loss(
        mixed_rows, labels, temperature=0.1
    )


def test_the_contrastive_loss_of_two_equal_rows_and_a_stranger_is_known() -> None:
    rows, labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
    # Each of the two partners: -log(e^1 / (e^1 + e^0)) at temperature 1.
    expected = 2 * math.log(1 + math.exp(-1))
    assert math.isclose(float(contrastive_loss(rows, labels, temperature=1.0)), expected, rel_tol=1e-5)


def test_rows_without_a_partner_or_a_label_pull_at_nothing() -> None:
    rows = torch.randn(3, 4, requires_grad=True)
    loss = contrastive_loss(rows, torch.tensor([0, 1, IGNORED]), temperature=0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    assert rows.grad is not None and not rows.grad.any()


def test_the_distance_from_the_start_is_squared() -> None:
    anchor = {"a": torch.zeros(2), "b": torch.ones(1)}
    assert float(distance_from(anchor, [("a", torch.tensor([3.0, 4.0])), ("b", torch.ones(1))])) == 25.0


def test_orthogonal_factors_are_not_pushed() -> None:
    class Body(torch.nn.Module):
        def __init__(self, factor: torch.Tensor) -> None:
            super().__init__()
            self.lora_A = torch.nn.Parameter(factor)

    assert float(away_from_orthogonal(Body(torch.eye(2, 4)))) == 0.0
    assert float(away_from_orthogonal(Body(torch.ones(2, 4)))) > 1.0


def test_the_push_has_its_length_in_each_row_and_raises_the_loss() -> None:
    torch.manual_seed(0)
    embeddings, weight = torch.randn(3, 5, 4), torch.randn(4)
    push = no_push(torch.zeros(3, 5, dtype=torch.long), 4)
    loss = ((embeddings + push) @ weight).square().sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert push.grad is not None
    worst = worst_push(push.grad, 0.5)
    assert torch.allclose(worst.flatten(1).norm(dim=1), torch.full((3,), 0.5))
    assert ((embeddings + worst) @ weight).square().sum() > loss


def test_no_gradient_is_no_push() -> None:
    assert not worst_push(torch.zeros(2, 3, 4), 1.0).isnan().any()
