"""The benchmark: its command line, its arithmetic, and that all baselines did the same work with the same results."""

import json
import re
import statistics
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from support.commands import ROOT, TINY_ENCODER, sizes
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel

from polyhead.data.batch import Batch
from polyhead.errors import UserError
from polyhead.freezing.plans import FreezeSpec
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.losses import cross_entropy_per_task
from polyhead.sources.synthetic.corpus import Sentence
from polyhead.tasks import Task

TINY_BERT = {
    "model_type": "bert",
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


@pytest.fixture
def settings():
    from benchmarks.settings import Settings

    return Settings(encoder="bert_base", rows=64, repeats=1, epochs=1, frozen_epochs=3)


@pytest.fixture
def twice(settings):
    return replace(settings, repeats=2)


@pytest.fixture
def precision(monkeypatch):
    """Return a function that sets the precision the processor is said to be best at."""
    from benchmarks import workload

    def choose(name):
        monkeypatch.setattr(workload, "best_precision", lambda accelerator: name)

    return choose


@pytest.fixture
def measure(monkeypatch, tmp_path, settings, precision):
    """Run a benchmark with a tiny encoder in this process: which process it is in changes no result."""
    from benchmarks import checkouts, measurement, peak, registry, workload

    assert checkouts.ROOT == ROOT  # imported only later, it would keep the folder below for all tests to come

    folder = tmp_path / "root" / "configs" / "encoder"
    folder.mkdir(parents=True)
    shipped = yaml.safe_load((ROOT / "configs" / "encoder" / "bert_base.yaml").read_text())

    def write(layers):
        tiny = shipped | {"architecture": TINY_BERT | {"num_hidden_layers": layers}}
        (folder / "bert_base.yaml").write_text(yaml.safe_dump(tiny))

    write(TINY_BERT["num_hidden_layers"])
    monkeypatch.setattr(workload, "ROOT", tmp_path / "root")
    monkeypatch.setattr(measurement, "_run_apart", lambda baseline, repeat: baseline.run(repeat))
    monkeypatch.setattr(peak, "matrix_product_rate", lambda dtype, device: 1e9)
    precision("bf16-mixed")

    def run(name, layers=2):
        write(layers)
        return registry.BENCHMARKS[name](settings)

    return run


def untimed(figures):
    """Return figures without the rate of the second half of training, which differs from run to run."""
    from benchmarks.second_half import SECOND_HALF

    return {name: figure for name, figure in figures.items() if name != SECOND_HALF}


def by_name(comparison):
    return {entry.name: entry for entry in comparison.entries}


def write_csv(folder, rows=24):
    for split in ("train", "validation", "test"):
        lines = [f"words of {split} {row},{'ab'[row % 2]},{'xy'[row // 2 % 2]}" for row in range(rows)]
        (folder / f"{split}.csv").write_text("\n".join(["text,category,sentiment", *lines]) + "\n")


# The command line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to measure: encode, finetune"),
        (["encod"], "no benchmark is called 'encod'; did you mean 'encode'"),
        (["encode", "devise=gpu"], "no option is called 'devise'; did you mean 'device'"),
        (["encode", "repeats=many"], "repeats=many: it must be a whole number, 1 or more"),
        (["encode", "repeats=0"], "repeats=0: it must be a whole number, 1 or more"),
        (["encode", "rows=-1"], "rows=-1: it must be a whole number, 0 or more"),
        (["encode", "device=tpu"], "device=tpu: it must be cpu or gpu"),
        (["encode", "data=nowhere"], "data=nowhere: neither hypothetical nor a file"),
        (["scale", "axis=widths"], "axis=widths: it must be sentences or tasks or classes or tokens or layers"),
        (["encode", "encoder=gpt"], "encoder=gpt: it must be minilm or bert_base"),
        (["encode", f"against={ROOT / 'src'}"], "no checkout of Polyhead; it needs train.py and src/polyhead"),
        (["encode", "serve", f"against={ROOT}"], "serve: against= compares startup, finetune, encode alone"),
        (["encode", f"data={ROOT / 'scripts'}"], "train.csv is not there"),
        (["shards", f"data={ROOT / 'scripts'}"], "shards are made here, of hypothetical sentences; leave data= out"),
        (["encode", f"data={ROOT / 'train.py'}"], "train.py has no column called text"),
        (["encode", f"json={ROOT / 'train.py' / 'x.json'}"], "its folder is not there or cannot be written to"),
    ],
)
def test_benchmark_refuses_bad_arguments_in_one_line(arguments, message, capsys):
    import benchmark

    assert benchmark.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_benchmark_help_names_every_benchmark_and_option(capsys):
    import benchmark
    from benchmarks.registry import BENCHMARKS
    from benchmarks.settings import NAMES, Settings

    assert benchmark.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert list(BENCHMARKS) == list(NAMES)
    assert f"benchmarks: {', '.join(NAMES)}\n" in printed
    for name, default in vars(Settings()).items():
        assert re.search(rf"^  {name}={default}: \w", printed, re.MULTILINE)


def test_parse_reads_names_and_options_in_any_order():
    from benchmarks.settings import Settings, parse

    names, settings = parse(["rows=10", "finetune", "device=gpu", "encode", "length=0"])
    assert names == ["finetune", "encode"]
    assert settings == Settings(rows=10, device="gpu", length=0)


# Measuring and printing


def test_compare_runs_the_baselines_in_turn(twice, precision):
    from benchmarks.measurement import Baseline, Measurement, compare

    precision("32-true")
    order = []

    def baseline(title, seconds):
        def run(repeat):
            order.append((title, repeat))
            return Measurement(12, seconds * (1 + repeat), {"seed": repeat})

        return Baseline(run)

    comparison = compare("name", "rows", {"slow": baseline("slow", 6.0), "fast": baseline("fast", 2.0)}, twice)
    assert order == [("slow", 0), ("fast", 0), ("slow", 1), ("fast", 1)]
    assert [entry.rates for entry in comparison.entries] == [[2.0, 1.0], [6.0, 3.0]]
    assert [entry.units for entry in comparison.entries] == [[12, 12], [12, 12]]
    assert [entry.extra for entry in comparison.entries] == [{"seed": [0, 1]}] * 2
    assert comparison.notes == []


@pytest.mark.parametrize("best", ["32-true", "bf16-mixed"])
def test_compare_leaves_bf16_out_where_it_is_not_native(best, twice, precision):
    from benchmarks.measurement import Baseline, Measurement, compare

    precision(best)
    ran = []

    def baseline(title, bf16):
        return Baseline(lambda repeat: ran.append(title) or Measurement(1, 1.0), bf16)

    titles = {"a, fp32": False, "a, half": True, "b, fp32": False, "b, half": True}
    comparison = compare("name", "rows", {title: baseline(title, bf16) for title, bf16 in titles.items()}, twice)
    if best == "32-true":
        assert ran == ["a, fp32", "b, fp32"] * twice.repeats
        assert comparison.notes == ["left out, this cpu has no native bf16: a, half; b, half"]
    else:
        assert ran == [*titles] * twice.repeats
        assert comparison.notes == []
    assert [entry.name for entry in comparison.entries] == ran[: len(comparison.entries)]


def table_rows(printed):
    """Return the cells of a printed table by the first of each row."""
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]
    return {row[0]: row[1:] for row in rows}


def test_table_has_medians_their_ratios_and_the_range_of_other_figures(capsys):
    from benchmarks.measurement import Comparison, Entry
    from benchmarks.table import show

    first = Entry("first", rates=[1.0, 300.0, 40.0], extra={"accuracy": [0.5, 0.7, 0.6]})
    second = Entry("second", rates=[10.0, 10.0, 10.0], extra={"accuracy": [0.25, 0.25, 0.25]})
    third = Entry("third", rates=[1200.0, 1000.0, 1100.0])
    show(Comparison("name", "rows", [first, second, third], ["a note"]))
    printed = capsys.readouterr().out
    assert "rows/s, median" in printed
    assert table_rows(printed) == {
        "first": ["40.0", "", "0.6000 (0.5000 to 0.7000)"],
        "second": ["10.0", "0.25", "0.2500"],
        "third": ["1,100.0", "27.50  110.00", ""],
    }
    assert printed.splitlines()[-1] == "a note"


# The machine's peak


def test_share_of_peak_is_that_of_the_median_rate_in_the_entrys_own_precision(monkeypatch):
    from benchmarks import peak
    from benchmarks.measurement import Comparison, Entry

    rates = {torch.float32: 100e9, torch.bfloat16: 400e9}
    monkeypatch.setattr(peak, "matrix_product_rate", lambda dtype, device: rates[dtype])
    entries = [Entry("ours", bf16=True, rates=[10.0, 90.0, 40.0]), Entry("theirs", rates=[20.0])]
    comparison = Comparison("name", "sentences", entries)
    peak.note_share_of_peak(comparison, flops_per_token=500e6, length=2.5, device=torch.device("cpu"))
    assert comparison.notes == [
        "2.5 tokens per sentence, 500.0 MFLOP per token",
        "matrix products in torch.float32: 100 GFLOP/s",
        "matrix products in torch.bfloat16: 400 GFLOP/s",
        "ours: 100 tokens/s, 50 GFLOP/s, 12% of the matrix products in torch.bfloat16",
        "theirs: 50 tokens/s, 25 GFLOP/s, 25% of the matrix products in torch.float32",
    ]
    del rates[torch.bfloat16]  # where it is slow it must not be measured either
    comparison = Comparison("name", "sentences", entries[1:])
    peak.note_share_of_peak(comparison, flops_per_token=500e6, length=2.5, device=torch.device("cpu"))
    assert comparison.notes[-1].startswith("theirs: 50 tokens/s, 25 GFLOP/s, 25%")


def test_matrix_product_rate_counts_two_operations_per_element_of_the_product(monkeypatch):
    from benchmarks import peak

    ticks = iter(range(100))  # a clock that moves a second at each look
    monkeypatch.setattr(peak, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    monkeypatch.setattr(peak, "_SHAPES", [(2, 3, 4), (4, 5, 6)])
    # Each shape has 2.5 s: looks at 1 and 2 let five products run each, the look at 3 ends it, the rate's own is at 4.
    assert peak.matrix_product_rate(torch.float32, torch.device("cpu"), seconds=5.0) == 2 * 4 * 5 * 6 * 10 / 4


def test_machine_names_the_threads_that_compute():
    from benchmarks.peak import machine

    facts = machine()
    assert facts["hardware"]["threads"] == torch.get_num_threads()
    assert facts["versions"]["torch"] in (torch.__version__, torch.__version__.partition("+")[0])  # as it is installed


def test_encoder_flops_are_those_that_torch_counts():
    from benchmarks.workload import encoder_flops_per_token

    config = AutoConfig.for_model(**TINY_BERT, attn_implementation="eager")  # torch does not count fused attention
    encoder = Encoder(AutoModel.from_config(config), "mean").eval()
    length, sentences = 16, 3
    with FlopCounterMode(display=False) as counter:
        encoder(torch.randint(5, 100, (sentences, length)))
    assert encoder_flops_per_token(encoder, length) == counter.get_total_flops() / (sentences * length)


# The workload


def test_joined_sentences_reach_the_length_and_keep_the_first_ones_labels():
    from benchmarks.workload import JoinedSentences

    sentences = [Sentence("one two", {"task": "a"}), Sentence("three", {"task": "b"}), Sentence("four", {"task": "c"})]
    source = SimpleNamespace(sentences=lambda split: iter(sentences))
    joined = list(JoinedSentences(source, 4).sentences("train"))
    assert [sentence.text for sentence in joined] == ["one two three four", "three four one two", "four one two three"]
    assert [sentence.labels for sentence in joined] == [{"task": "a"}, {"task": "b"}, {"task": "c"}]


def test_csv_folder_takes_so_many_rows_and_the_tasks_with_two_classes(tmp_path):
    from benchmarks.settings import Settings
    from benchmarks.workload import open_data

    (tmp_path / "train.csv").write_text("text,category,sentiment\none,a,x\ntwo,,x\nthree,b,x\nfour,c,y\n")
    source, tasks = open_data(Settings(data=str(tmp_path), rows=3))
    assert [(sentence.text, sentence.labels["category"]) for sentence in source.sentences("train")] == [
        ("one", "a"),
        ("two", None),
        ("three", "b"),
    ]
    assert [(task.name, task.labels) for task in tasks] == [("category", ("a", "b"))]


def test_csv_folder_reads_back_what_was_written(tmp_path):
    from benchmarks.settings import Settings
    from benchmarks.workload import SPLITS, open_data, write_csv_folder

    original = Settings(rows=40)
    assert write_csv_folder(original, tmp_path) == ["category", "sentiment"]
    for split in SPLITS:
        expected = list(open_data(original)[0].sentences(split))
        found = list(open_data(Settings(data=str(tmp_path)))[0].sentences(split))
        assert [sentence.text for sentence in found] == [sentence.text for sentence in expected]
        for task in ("category", "sentiment"):
            assert [row.labels[task] for row in found] == [row.labels[task] for row in expected]


def test_training_run_refuses_texts_without_labels(tmp_path, settings):
    from benchmarks.settings import Settings
    from benchmarks.training_run import EVERYTHING_TRAINED, build

    texts = tmp_path / "texts.csv"
    texts.write_text("text\none\ntwo\n")
    with pytest.raises(UserError, match="training needs a column category or sentiment"):
        build(Settings(data=str(texts)), EVERYTHING_TRAINED, "32-true", seed=0, epochs=1)


def test_min_cosine_is_the_lowest_of_the_rows_and_refuses_missing_rows():
    from benchmarks.embedding import min_cosine

    reference = np.array([[1, 0], [0, 2]], dtype=np.float32)
    assert min_cosine(np.array([[3, 0], [2, 2]], dtype=np.float32), reference) == pytest.approx(0.5**0.5)
    with pytest.raises(ValueError, match=r"\(1, 2\) beside a reference \(2, 2\)"):
        min_cosine(reference[:1], reference)


# Training


@pytest.fixture
def tokens_seen(monkeypatch):
    """Return the list that collects the real tokens of each training batch, of ours and of the Trainer's."""
    seen, embed = [], MultiTaskModel.embed

    def counting(model, batch):
        if model.training:
            seen.append(int(batch.attention_mask.sum()))
        return embed(model, batch)

    monkeypatch.setattr(MultiTaskModel, "embed", counting)
    return seen


@pytest.mark.slow
def test_finetune_baselines_train_on_the_same_rows_steps_and_tokens(measure, tokens_seen, settings):
    entries = by_name(measure("finetune"))
    assert [*entries] == [
        "Trainer, fp32",
        "Trainer, bf16",
        "Trainer, bf16, group_by_length",
        "polyhead, bf16-mixed",
    ]
    steps = settings.rows // settings.batch_size
    for entry in entries.values():
        assert entry.units == [settings.rows] * settings.repeats
        assert entry.extra["steps"] == [steps] * settings.repeats
    per_run = [sum(tokens_seen[start : start + steps]) for start in range(0, len(tokens_seen), steps)]
    assert len(per_run) == len(entries) * settings.repeats
    assert set(per_run) == {per_run[0]}


@pytest.mark.parametrize("best", ["32-true", "bf16-mixed"])
def test_finetune_groups_by_length_in_the_best_precision_of_the_peer(best, measure, precision, monkeypatch):
    from benchmarks import training
    from benchmarks.measurement import Measurement
    from transformers import TrainingArguments

    options = []

    def trained(settings, frozen, given, seed):
        options.append(given)
        return Measurement(1, 1.0)

    monkeypatch.setattr(training, "hugging_face", trained)
    monkeypatch.setattr(training, "polyhead", lambda settings, frozen, precision, seed: Measurement(1, 1.0))
    precision(best)
    comparison = measure("finetune")
    half = "fp32" if best == "32-true" else "bf16"
    assert [*by_name(comparison)][-2:] == [f"Trainer, {half}, group_by_length", f"polyhead, {best}"]
    assert options[-1] == {"bf16": half == "bf16", "train_sampling_strategy": "group_by_length"}
    assert TrainingArguments(**options[-1], use_cpu=True).train_sampling_strategy == "group_by_length"
    left_out = [note for note in comparison.notes if note.startswith("left out")]
    assert left_out == (["left out, this cpu has no native bf16: Trainer, bf16"] if half == "fp32" else [])


@pytest.mark.slow
def test_trainer_updates_its_weights_in_one_kernel(monkeypatch, measure, settings):
    """The optimizer that it is given is fused, and is the one that it uses."""
    from benchmarks.trainer import hugging_face
    from benchmarks.training import GROUPED

    from polyhead.training.optimizer import Optimization

    built, build = [], Optimization.build

    def remember(self, *arguments, **options):
        built.append(build(self, *arguments, **options))
        return built[-1]

    monkeypatch.setattr(Optimization, "build", remember)
    hugging_face(replace(settings, rows=32), FreezeSpec([]), GROUPED, 0)
    ((optimizer, _),) = built
    assert optimizer.defaults["fused"] is True
    assert {float(state["step"]) for state in optimizer.state.values()} == {1}


@pytest.mark.slow
def test_trainer_and_polyhead_end_with_the_same_weights(measure, monkeypatch, settings):
    """With all rows in one batch and without dropout nothing is left in which they may differ."""
    from benchmarks import training_run
    from benchmarks.trainer import hugging_face
    from benchmarks.training import polyhead

    models = []

    def without_dropout(encoder, tasks, dropout):
        models.append(MultiTaskModel(encoder, tasks, dropout=0.0))
        return models[-1]

    monkeypatch.setattr(training_run, "MultiTaskModel", without_dropout)
    settings = replace(settings, rows=16, batch_size=16, epochs=4)
    ours = polyhead(settings, FreezeSpec([]), "32-true", 0)
    theirs = hugging_face(settings, FreezeSpec([]), {}, 0)
    assert untimed(ours.figures) == untimed(theirs.figures)
    assert ours.figures["steps"] == 4
    start = training_run.build(settings, FreezeSpec([]), "32-true", seed=0, epochs=1)[0].model.state_dict()
    weights, peer_weights = models[0].state_dict(), models[1].state_dict()
    assert start.keys() == weights.keys() == peer_weights.keys()
    assert not any(torch.equal(start[name], weight) for name, weight in weights.items() if name.endswith("weight"))
    for name, weight in weights.items():
        torch.testing.assert_close(peer_weights[name], weight, atol=1e-5, rtol=1e-4, msg=name)


def test_trainer_model_returns_the_sum_of_the_tasks_losses(model, tasks):
    from benchmarks.trainer import TrainerModel

    ids, mask = torch.randint(5, 90, (6, 7)), torch.ones(6, 7, dtype=torch.long)
    labels = torch.tensor([[0, 1], [2, 0], [1, -100], [0, 0], [-100, 1], [2, 1]])
    loss = TrainerModel(model).eval()(ids, mask, labels)["loss"]
    by_task = {task.name: labels[:, column] for column, task in enumerate(tasks)}
    expected, _ = cross_entropy_per_task(model.eval()(Batch(ids, mask, by_task)), by_task)
    torch.testing.assert_close(loss, expected.sum())


@pytest.mark.slow
def test_frozen_baselines_train_for_their_epochs_and_the_cache_changes_nothing(measure, settings):
    comparison = measure("frozen")
    entries = by_name(comparison)
    peer, first, second = entries["Trainer, fp32"], entries["polyhead, first run"], entries["polyhead, second run"]
    assert peer.units == [settings.rows * settings.epochs] * settings.repeats
    assert first.units == second.units == [settings.rows * settings.frozen_epochs] * settings.repeats
    assert first.extra["category accuracy"] == second.extra["category accuracy"]
    assert f"polyhead ran {settings.frozen_epochs} epochs" in comparison.notes[-1]


@pytest.mark.slow
def test_partly_frozen_baselines_reach_the_same_accuracy_with_and_without_the_cache(measure, precision, settings):
    precision("32-true")
    entries = by_name(measure("partial", layers=6))
    everything, uncached, cached = entries.values()
    assert everything.units == uncached.units == cached.units == [settings.rows] * settings.repeats
    assert everything.extra["steps"] == uncached.extra["steps"] == cached.extra["steps"]
    for task in ("category", "sentiment"):
        assert uncached.extra[f"{task} accuracy"] == cached.extra[f"{task} accuracy"]


@pytest.mark.slow
def test_weighting_baselines_do_the_same_steps_and_watching_changes_nothing(measure, settings):
    entries = by_name(measure("weighting"))
    assert len(entries) == 4
    for entry in entries.values():
        assert entry.units == [settings.rows] * settings.repeats
        assert entry.extra["steps"] == [settings.rows // settings.batch_size] * settings.repeats
    plain, watched = (entries[name].extra for name in ("the sum of the losses", "the same, conflict watched"))
    assert untimed(plain) == untimed(watched)


@pytest.mark.slow
def test_conflict_baselines_take_the_time_of_both_kinds_of_steps(measure, settings):
    entries = by_name(measure("conflict"))
    assert len(entries) == 4
    for entry in entries.values():
        assert entry.units == [settings.rows // settings.batch_size] * settings.repeats
        ratios = zip(entry.extra["watched ms"], entry.extra["unwatched ms"], strict=True)
        assert entry.extra["overhead %"] == pytest.approx([100 * (one / other - 1) for one, other in ratios])


def test_many_tasks_have_the_labels_of_the_sources_own(settings):
    from benchmarks.conflict import many_tasks
    from benchmarks.workload import open_data

    source, tasks = many_tasks(settings, 3)
    (category, sentiment), old = open_data(settings)[1], ("category", "sentiment", "category")
    assert [task.labels for task in tasks] == [category.labels, sentiment.labels, category.labels]
    first, own = next(iter(source.sentences("train"))), next(iter(open_data(settings)[0].sentences("train")))
    assert [first.labels[task.name] for task in tasks] == [own.labels[name] for name in old]


# Everything else


@pytest.mark.parametrize(
    ("operator", "kind"),
    [
        ("aten::addmm", "matrix products"),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", "attention"),
        ("aten::_to_copy", "casts and copies"),
        ("aten::gelu_backward", "GELU, LayerNorm, sums"),
        ("aten::native_layer_norm_backward", "GELU, LayerNorm, sums"),
        ("aten::embedding_dense_backward", "embedding table"),
        ("aten::_fused_adamw_", "optimizer"),
        ("aten::_foreach_mul_", "clipping"),
        ("Optimizer.step#AdamW.step", "optimizer"),
        ("aten::never_heard_of", "other operators"),
    ],
)
def test_profile_sorts_operators_by_what_they_do(operator, kind):
    from benchmarks.step_profile import kind_of

    assert kind_of(operator) == kind


def test_profile_shares_add_up_to_the_whole_with_what_lies_outside_operators():
    from benchmarks.step_profile import by_kind

    shares = by_kind([("aten::mm", 2.0), ("aten::bmm", 1.0), ("aten::copy_", 1.0)], whole=5.0)
    assert list(shares.values()) == pytest.approx([60, 20, 20])
    assert sum(shares.values()) == pytest.approx(100)


@pytest.mark.slow
def test_profile_counts_each_step_and_sample_once(measure, settings, monkeypatch):
    from benchmarks import step_profile

    for name, steps in (("_FIRST", 1), ("_STEPS", 3), ("_WHOLE", 10)):
        monkeypatch.setattr(step_profile, name, steps)
    (entry,) = measure("profile").entries
    assert entry.units == [3] * settings.repeats
    assert entry.rates == pytest.approx([1000 / ms for ms in entry.extra["milliseconds"]])


def test_profile_of_a_gpu_is_refused(settings):
    from benchmarks.step_profile import step_profile

    with pytest.raises(UserError, match="profile looks at a processor alone"):
        step_profile(replace(settings, device="gpu"))


def test_corpus_counts_the_sentences_that_it_generates(measure, settings):
    comparison = measure("corpus")
    assert [*by_name(comparison)] == ["train", "validation", "test"]
    for entry in comparison.entries:
        assert entry.units == [settings.rows] * settings.repeats
        assert all(0.9 < share <= 1 for share in entry.extra["distinct"])


@pytest.mark.slow
def test_scale_puts_the_cost_beside_the_work_as_one_thing_grows(measure, settings, precision, monkeypatch):
    from benchmarks import registry, scaling

    precision("32-true")
    for axis, values in (("sentences", (64, 128)), ("layers", (1, 6)), ("classes", (2, 1000))):
        monkeypatch.setitem(scaling.AXES, axis, values)
    for axis, growth in (("sentences", 2), ("layers", 6), ("classes", 1)):
        comparison = registry.BENCHMARKS["scale"](replace(settings, rows=128, axis=axis, batch_size=4))
        works = [entry.extra["GFLOP"][0] for entry in comparison.entries]
        assert works == sorted(works)
        assert works[-1] / works[0] == pytest.approx(growth, rel=0.02) or axis == "classes"
        assert comparison.notes[0].startswith(f"{axis} x ")


def test_scale_refuses_too_few_sentences(settings, tmp_path):
    from benchmarks import scaling

    with pytest.raises(UserError, match="rows=64: it must be 10,000 or more with axis=sentences, or 0"):
        scaling.scale(replace(settings, axis="sentences"))
    write_csv(tmp_path)
    with pytest.raises(UserError, match="24 sentences, and scale needs 40"):
        scaling.step(replace(settings, data=str(tmp_path), axis="tasks", batch_size=4), 1, 0)


def test_scale_knows_every_axis_that_may_be_chosen():
    from benchmarks import scaling, settings

    assert (*scaling.AXES,) == settings._CHOICES["axis"]


def test_scale_finds_the_steepest_piece_of_a_curve():
    from benchmarks.scaling import _steepest

    assert _steepest([1, 10, 100], [2.0, 20.0, 2000.0]) == pytest.approx(2)


@pytest.mark.slow
def test_shards_makes_batches_of_every_row_of_a_share_of_the_files(measure):
    comparison = measure("shards")
    assert [entry.units for entry in comparison.entries] == [[1], [6], [64]]  # of 64 files of a row each
    assert all(entry.extra["peak MB"][0] > 100 for entry in comparison.entries)


def test_label_learns_faster_from_chosen_sentences_where_a_class_is_rare():
    from benchmarks.labeling import LabelledEmbeddings, at_random, by_polyhead, learn

    random = np.random.default_rng(0)
    classes = np.where(np.arange(1500) % 100 < 4, np.arange(1500) % 4, 4 + np.arange(1500) % 2)  # four of six are rare
    embeddings = (random.normal(size=(1500, 16)) + 3 * np.eye(6, 16)[classes]).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    pool, test = (LabelledEmbeddings(embeddings[rows], classes[rows]) for rows in (slice(1000), slice(1000, 1500)))
    curves = {rule: learn(pool, test, rule, seed=1) for rule in (at_random, by_polyhead)}
    assert all(len(scores) == 11 for scores in curves.values())
    assert np.mean(curves[by_polyhead], axis=0)[1] > np.mean(curves[at_random], axis=0)[1] + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("best", ["32-true", "bf16-mixed"])
def test_encode_baselines_give_the_same_embeddings(best, measure, precision, settings):
    precision(best)
    comparison = measure("encode")
    entries = by_name(comparison)
    assert all(entry.units == [settings.rows] * settings.repeats for entry in entries.values())
    cosines = {name: min(entry.extra["min cosine"]) for name, entry in entries.items()}
    assert cosines.pop("sentence-transformers") > 0.99999
    assert cosines.pop("polyhead, 32-true") > 0.99999
    if best == "32-true":
        assert cosines == {}
        left_out = "sentence-transformers, bf16 weights; polyhead, bf16"
        assert comparison.notes[0] == f"left out, this cpu has no native bf16: {left_out}"
    else:
        assert [*cosines] == ["sentence-transformers, bf16 weights", "polyhead, bf16"]
        assert all(cosine > 0.999 for cosine in cosines.values()), cosines


@pytest.mark.slow
def test_serve_baselines_predict_every_text_from_the_same_embeddings(measure, settings):
    entries = by_name(measure("serve"))
    assert len(entries) == 9
    assert all(entry.units == [settings.rows] * settings.repeats for entry in entries.values())
    cosines = {name: min(entry.extra["min cosine"]) for name, entry in entries.items() if "pipeline" not in name}
    assert len(cosines) == 7
    assert cosines.pop("polyhead, onnx-int8, 32-true") > 0.9
    for name, cosine in cosines.items():
        assert cosine > (0.999 if "bf16" in name else 0.99999), name


@pytest.mark.slow
def test_load_loses_no_request_and_writes_what_it_prints(tmp_path, measure, capsys):
    import benchmark

    write_csv(tmp_path)
    report, given = tmp_path / "report.json", ["encoder=bert_base", "repeats=1", "clients=8", "seconds=1"]
    assert benchmark.main(["load", f"data={tmp_path}", *given, f"json={report}"]) == 0
    content = json.loads(report.read_text())
    (result,) = content["results"]
    assert [entry["name"] for entry in result["entries"]] == ["1 client", "8 clients"]
    for entry in result["entries"]:
        assert entry["units"][0] > 0
        assert entry["extra"]["lost or wrong"] == [0]
        assert entry["extra"]["largest difference"][0] < 1e-4
    assert content["settings"]["clients"] == 8
    check_printed_medians(capsys.readouterr().out, result)


def check_printed_medians(printed, result):
    rows = table_rows(printed)
    medians = []
    for entry in result["entries"]:
        median = statistics.median(entry["rates"])
        assert rows[entry["name"]][0] == f"{median:,.1f}"
        assert rows[entry["name"]][1] == "  ".join(f"{median / above:.2f}" for above in medians)
        medians.append(median)


@pytest.mark.slow
def test_startup_steps_contain_each_other(monkeypatch, settings):
    from benchmarks import startup

    steps = {
        name: [*startup._STEPS[name]] for name in ("python", "import torch", "train.py to its first optimizer step")
    }
    steps["train.py to its first optimizer step"] += [*sizes(64, 32), *TINY_ENCODER]
    monkeypatch.setattr(startup, "_STEPS", steps)
    monkeypatch.setattr(startup, "answers", lambda *_: {})
    entries = startup.startup(replace(settings, repeats=1)).entries
    seconds = [entry.extra["seconds"][0] for entry in entries]
    assert seconds == sorted(seconds)
    assert [entry.rates[0] for entry in entries] == pytest.approx([1 / taken for taken in seconds])


@pytest.mark.slow
@pytest.mark.usefixtures("measure")  # a tiny encoder
def test_startup_commands_answer_for_ten_and_a_hundred_texts(tmp_path, settings):
    import numpy as np
    from benchmarks import startup

    for arguments in startup.answers(settings, tmp_path).values():
        assert startup.start(arguments, 0).units == 1
    assert len((tmp_path / "predicted.csv").read_text().splitlines()) == 1 + 10
    assert len(np.load(tmp_path / "embeddings.npy")) == 64  # all that the settings have


# Another checkout


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize(
    ("name", "units", "figures"),
    [
        ("encode", 24, ["min cosine"]),
        ("startup", 1, ["seconds"]),
        ("finetune", 24, ["category accuracy", "sentiment accuracy"]),
    ],
)
def test_checkouts_compared_with_themselves_do_the_same(name, units, figures, tmp_path, settings, trials):
    from benchmarks.checkouts import compare_checkouts

    if name not in trials(["encode"], ["encode", "startup", "finetune"]):
        pytest.skip("a minute of the campaign")
    write_csv(tmp_path, rows=24)
    settings = replace(settings, encoder="minilm", against=str(ROOT), data=str(tmp_path), repeats=1, length=16)
    comparisons = compare_checkouts(name, settings)
    assert len(comparisons) == (2 if name == "startup" else 1)
    for comparison in comparisons:
        other, this = comparison.entries
        assert (other.name, this.name) == ("the other checkout", "this checkout")
        assert other.units == this.units == [units]
        assert [*untimed(other.extra)] == [*untimed(this.extra)] == figures
    if name == "finetune":
        assert untimed(other.extra) == untimed(this.extra)
    if name == "encode":
        assert min(other.extra["min cosine"] + this.extra["min cosine"]) > 0.999999


def test_checkouts_say_which_command_failed(tmp_path, settings):
    from benchmarks.checkouts import compare_checkouts

    package = tmp_path / "src" / "polyhead"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "train.py").write_text("raise SystemExit('the first line\\nno such option')")
    with pytest.raises(UserError, match=r"train.py --help failed: no such option$"):
        compare_checkouts("startup", replace(settings, against=str(tmp_path)))


def test_checkouts_refuse_a_python_that_imports_another_package(tmp_path, settings):
    from benchmarks.checkouts import compare_checkouts

    with pytest.raises(UserError, match=r"Python takes .*polyhead.__init__.py, not the package in"):
        compare_checkouts("startup", replace(settings, against=str(tmp_path)))


def test_sample_of_rows_is_drawn_by_its_seed_without_repetition():
    from benchmarks.few_labels import draw_rows

    pool = [Sentence(str(number), {}) for number in range(50)]
    first, again, other = draw_rows(20, pool, 0), draw_rows(20, pool, 0), draw_rows(20, pool, 1)
    assert first == again != other
    assert len({sentence.text for sentence in first}) == 20
    assert len(draw_rows(99, pool, 0)) == 50


def test_sample_per_class_has_as_many_of_each_class():
    from benchmarks.few_labels import draw

    pool = [Sentence(str(number), {"category": "ab"[number % 5 == 0]}) for number in range(50)]
    labels = [sentence.labels["category"] for sentence in draw("category", 4, pool, 0)]
    assert sorted(labels) == list("aaaabbbb")


def test_learners_are_scored_on_the_labels_that_are_there(settings):
    from benchmarks.few_labels import measure

    task = Task("category", ("a", "b", "c"))
    test = [Sentence(str(row), {"category": label}) for row, label in enumerate(["a", "a", "b", "b", None])]
    measured = measure(
        lambda _, trial: ({"category": ["a", "b", "b", "b", "c"]}, 2.0), settings, [task], lambda _: test[:3], test, 0
    )
    assert (measured.units, measured.seconds) == (3, 2.0)
    assert measured.figures == pytest.approx({"category accuracy": 0.75, "category macro-F1": (2 / 3 + 4 / 5) / 2})


@pytest.mark.slow
def test_trainer_with_its_defaults_learns_and_predicts(settings):
    """A word per class is learned in three epochs; the same seed gives the same answers."""
    from benchmarks.few_labels import Trial, trainer

    task = Task("category", ("no", "yes"))
    sample = [Sentence(f"{word} {number}", {"category": word}) for number in range(30) for word in task.labels]
    trial = Trial([task], sample, sample[:10], seed=0)
    predicted, seconds = trainer(replace(settings, encoder="minilm"), trial)
    assert seconds > 0
    assert predicted == {"category": [sentence.labels["category"] for sentence in sample[:10]]}
