from support.training import make_data, make_module, make_trainer

from polyhead.training.metric_names import training_metrics, validation_metrics
from polyhead.training.metrics import scalars


def test_names_of_metrics_are_those_that_a_run_measures_and_logs(tmp_path, model, tasks):
    module = make_module(model, tasks)
    trainer = make_trainer(tmp_path, max_epochs=1)
    trainer.fit(module, make_data(tasks))
    measured = scalars("validation", module.results["validation"])
    assert sorted(validation_metrics(tasks)) == sorted(measured)
    assert {*training_metrics(tasks)} <= {*trainer.callback_metrics}
    assert {*scalars("train", module.results["training"])} <= {*training_metrics(tasks)}
