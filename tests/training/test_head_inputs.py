"""Heads are trained on what they are evaluated on: embeddings of length 1 are scaled for them in both."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.training import make_data, make_module, make_trainer, without_dropout

from polyhead.models.multitask import MultiTaskModel
from polyhead.models.sentence_modules import Normalize


class Logits(Callback):
    """Keeps the logits of the first training step, beside those of the same weights by the model itself."""

    def on_train_start(self, trainer, pl_module):
        update = pl_module.update_metrics

        def keep(split, batch, logits, losses, rows):
            if not hasattr(self, "trained"):
                self.trained = {name: values.detach().clone() for name, values in logits.items()}
                with torch.no_grad():
                    self.evaluated = pl_module.model(batch)
            update(split, batch, logits, losses, rows)

        pl_module.update_metrics = keep


@pytest.mark.parametrize("top", [(), (Normalize(),)], ids=["as pooled", "of length 1"])
def test_heads_are_trained_on_the_embeddings_that_they_are_evaluated_on(tmp_path, make_encoder, tasks, top):
    model = without_dropout(MultiTaskModel(make_encoder(top=top), tasks, dropout=0.0))
    seen = Logits()
    trainer = make_trainer(tmp_path, callbacks=[seen], max_steps=1, max_epochs=-1)
    trainer.fit(make_module(model, tasks), make_data(tasks))
    for name, logits in seen.evaluated.items():
        torch.testing.assert_close(seen.trained[name], logits)
