"""A run over shards from the command line, and what it refuses, one line each."""

import json

import pytest
from support.commands import NO_HEALTH, NO_PICTURES, TINY_ENCODER, train
from support.configs import composed
from support.shards import rows, write_shard, write_shards

from polyhead.app.training.composition import compose_components
from polyhead.errors import UserError

TASKS = "tasks=[{category: [Quote, Riddle, News]},{sentiment: [Positive, Negative]}]"


@pytest.fixture
def shards(tmp_path):
    """Three shards, a test file, and the overrides that name them."""
    write_shards(tmp_path / "shards", [60, 50, 40])
    write_shard(tmp_path / "test.csv", rows(30, 200))
    files = [f"data.files.train={tmp_path}/shards/*.parquet", f"data.files.test={tmp_path}/test.csv"]
    return ["data=shards", *files, f"data.cache={tmp_path}/cache", TASKS]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("freeze=backbone", "data: shards are trained on by steps, and nothing is; set heads=trained, or freeze less"),
        ("heads.again=true", "heads.again: true given; it needs the embeddings of all sentences"),
        ("loss=class_balanced", "loss: class weights of category, sentiment need counts, and shards are not counted"),
        ("loader.balance=category", "loader.balance: category given; it needs all labels beforehand"),
        ("data.window=40", "data.window: 40 given; it must be two batches or more, 64"),
        ("data.window=0", "data.window: 0 given; it must be 1 or more rows"),
        ("keep_embedding=cosine", "keep_embedding: it needs what another encoder gives for all sentences"),
        ("data.files.test=null", "data.files.test: none given, and nothing is held out of shards; name test files"),
        ("tasks=[category]", "tasks: no classes given for category, and shards are not looked through"),
        ("data.files.train=x.xlsx", "data.files.train: no file 'x.xlsx'"),
    ],
)
def test_run_over_shards_refuses_what_needs_all_sentences_beforehand(tmp_path, shards, override, line):
    overrides = ["trainer=quick", "accelerator=cpu", *shards, override]
    with pytest.raises(UserError) as caught:
        compose_components(composed(tmp_path, *overrides))
    (found,) = str(caught.value).splitlines()
    assert found.startswith(line)


def test_run_over_shards_fits_numbers_by_the_first_sentences(tmp_path, shards, caplog):
    for index in range(3):
        numbers = [row | {"stars": str(number)} for number, row in enumerate(rows(5))]
        write_shard(tmp_path / "shards" / f"part-{index}.parquet", numbers)
    parts = compose_components(composed(tmp_path, "accelerator=cpu", *shards, "tasks=[{stars: number}]", "test=false"))
    assert (parts.tasks[0].kind.mean, parts.source.size("train")) == (2, 15)


@pytest.mark.slow
def test_run_over_shards_in_two_processes_ends_and_knows_its_shards_again(tmp_path, shards):
    own = [*shards, *TINY_ENCODER, *NO_PICTURES, *NO_HEALTH, "accelerator=ddp_cpu", "logger=none", "data.window=64"]
    own += ["trainer.max_epochs=2", "loader.batch_size=8"]
    stores = {"POLYHEAD_TOKENS": str(tmp_path / "tokens")}
    done = train(*own, "hydra.run.dir=run", cwd=tmp_path, **stores)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("train: 150 rows in 3 shards; read when they are needed") == 1
    assert done.stdout.count("validation: none given, and nothing is held out of shards") == 1
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["epochs"] == 2
    assert len(list((tmp_path / "tokens").iterdir())) == 4, "a shard each, and the test set"
    write_shard(tmp_path / "shards" / "part-1.parquet", rows(50))
    more = ["resume=run", "hydra.run.dir=more", "trainer.max_epochs=3"]
    again = train(*own, *more, cwd=tmp_path, **stores)
    assert again.returncode == 2
    assert "the train sentences are not those that 'run' had" in again.stderr
