import pytest
import torch
from support.models import random_batch

from polyhead.freezing.plans import FreezeSpec
from polyhead.objectives.losses import cross_entropy_per_task
from polyhead.training.callbacks.gradients import gradient_norms


def norms(model, frozen=()):
    FreezeSpec(frozen).apply(model)
    batch = random_batch()
    cross_entropy_per_task(model(batch), batch.labels)[0].sum().backward()
    return {name: norm.item() for name, norm in gradient_norms(model)}


def test_norms_of_the_parts_are_together_the_norm_of_all_gradients(model):
    found = norms(model)
    assert list(found) == [
        "gradients/encoder.embeddings",
        *(f"gradients/encoder.layers.0{layer}" for layer in range(3)),
        "gradients/heads.category",
        "gradients/heads.sentiment",
    ]
    whole = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]).norm().item()
    assert sum(norm**2 for norm in found.values()) ** 0.5 == pytest.approx(whole, rel=1e-5)


def test_norms_leave_out_what_is_frozen(model):
    assert set(norms(model, ["encoder"])) == {"gradients/heads.category", "gradients/heads.sentiment"}
