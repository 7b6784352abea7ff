"""Divergences: how far the probabilities of logits are from those of a teacher's. Knows nothing about tasks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that reads a configuration alone needs no torch
    from torch import Tensor


def binary_divergences(logits: "Tensor", answers: "Tensor", temperature: float) -> "Tensor":
    """Return the Kullback-Leibler divergence of each sigmoid from that of the teacher's logit, in nats.

    Both logits are divided by the temperature, and the divergence is multiplied by its square. Its gradient is that of
    the binary cross-entropy with the teacher's probability as the target; unlike that it is 0 where both are equal.

    Args:
        logits: of any shape.
        answers: the teacher's, of the same shape.
        temperature: above 0.
    """
    from torch.nn.functional import logsigmoid

    ours, theirs = logits.float() / temperature, answers.float() / temperature
    yes = theirs.sigmoid() * (logsigmoid(theirs) - logsigmoid(ours))
    no = (-theirs).sigmoid() * (logsigmoid(-theirs) - logsigmoid(-ours))
    return (yes + no) * temperature**2
