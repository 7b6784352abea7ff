import torch

from polyhead.objectives.weighting import Weighting, present

TASKS = ("category", "sentiment", "topic")


class Recorder(Weighting):
    """Gives the weights that it is told to, and keeps the arguments of its last call."""

    def weigh(self, losses, labelled, gradients):
        self.seen = (losses, labelled, gradients)
        return self.told


def make(weights):
    weighting = Recorder(TASKS)
    weighting.told = torch.tensor(weights)
    return weighting


def test_total_is_the_weighted_sum_over_the_tasks_with_labels():
    weighting = make([2.0, 10.0, 0.5])
    losses = torch.tensor([1.0, 3.0, 4.0], requires_grad=True)
    total = weighting(losses, torch.tensor([True, False, True]))
    total.backward()
    assert total.item() == 4.0
    assert losses.grad.tolist() == [2.0, 0.0, 0.5]


def test_loss_that_is_no_number_does_not_count_without_a_label():
    total = make([1.0, 1.0, 1.0])(torch.tensor([1.0, float("nan"), 2.0]), torch.tensor([True, False, True]))
    assert total.item() == 3.0


def test_weights_are_one_at_first_and_then_those_of_the_last_batch_with_labels():
    weighting = make([2.0, 3.0, 4.0])
    assert weighting.weights().tolist() == [1.0, 1.0, 1.0]
    weighting(torch.ones(3), torch.tensor([True, False, True]))
    assert weighting.weights().tolist() == [2.0, 1.0, 4.0]
    weighting.told = torch.tensor([5.0, 6.0, 7.0])
    weighting(torch.ones(3), torch.tensor([False, True, False]))
    assert weighting.weights().tolist() == [2.0, 6.0, 4.0]


def test_rule_sees_detached_losses_and_what_it_is_given():
    weighting = make([1.0, 1.0, 1.0])
    losses, labelled, gradients = torch.ones(3, requires_grad=True), torch.tensor([True] * 3), torch.ones(3, 5)
    weighting(losses, labelled, gradients)
    assert not weighting.seen[0].requires_grad
    assert weighting.seen[1] is labelled
    assert weighting.seen[2] is gradients
    weighting(losses, labelled)
    assert weighting.seen[2] is None


def test_weights_do_not_carry_a_graph():
    weighting = make([1.0, 1.0, 1.0])
    weighting.told.requires_grad_()
    weighting(torch.ones(3), torch.tensor([True] * 3))
    assert not weighting.weights().requires_grad


def test_weights_are_saved():
    assert list(make([1.0] * 3).state_dict()) == ["effective"]


def test_rules_need_no_gradients_unless_they_say_so():
    assert Weighting.needs_gradients is False


def test_present_keeps_the_graph_of_absent_terms():
    terms = torch.tensor([1.0, 2.0], requires_grad=True)
    kept = present(terms * 3, torch.tensor([True, False]))
    kept.sum().backward()
    assert kept.tolist() == [3.0, 0.0]
    assert terms.grad.tolist() == [3.0, 0.0]
