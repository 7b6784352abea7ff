"""Students: what they take from a teacher, from the command line, and what is refused in a line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from support.commands import NO_PICTURES, SMALL_DATA, TINY, script, train
from support.kinds import TASKS

from polyhead.app.loaded.trained import load_trained_run
from polyhead.app.training.teacher import Teacher, to_width
from polyhead.deployment.bundle.folder import Bundle
from polyhead.errors import UserError
from polyhead.tasks import Task, make_tasks

EXACT = ["accelerator=cpu", "trainer.precision=32-true"]
STUDENT = [*SMALL_DATA, *NO_PICTURES, *EXACT, "experiment=distil"]


def cosines(rows):
    directions = torch.nn.functional.normalize(rows, dim=1)
    return directions @ directions.T


@pytest.mark.parametrize("width", [6, 8])
def test_width_that_holds_all_directions_keeps_all_similarities(width):
    plane = torch.randn(20, 3) @ torch.randn(3, 6)  # three directions of six
    moved = to_width(plane, width)
    assert moved.shape == (20, width)
    torch.testing.assert_close(cosines(moved), cosines(plane), atol=1e-5, rtol=0)
    torch.testing.assert_close(cosines(to_width(plane, 3)), cosines(plane), atol=1e-4, rtol=0)


def test_smaller_width_keeps_the_most_of_all_inner_products():
    rows = torch.randn(40, 6) * torch.tensor([5.0, 4.0, 3.0, 0.1, 0.1, 0.1])
    best = torch.linalg.svdvals(rows.double())[3:].square().sum()  # Eckart and Young
    moved = to_width(rows, 3).double()
    assert torch.trace(rows.double() @ rows.double().T - moved @ moved.T).item() == pytest.approx(float(best), rel=1e-4)


def teacher_of(tasks):
    return Teacher(Path("old"), tuple(tasks), ())


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (
            Task("tone", ("a", "b")),
            Task("tone", ("a", "c")),
            "its classes are a, b, and those of the head of 'old' a, c",
        ),
        (Task("stars", ("1", "2")), TASKS[1], "it is single_label, and the head of 'old' is number"),
        (Task("grade", TASKS[3].labels[::-1], TASKS[3].kind), TASKS[3], "its classes are best, good, fair, poor"),
        (Task("other", ("a", "b")), Task("tone", ("a", "b")), "has heads for tone, and none for other"),
    ],
)
def test_heads_of_a_teacher_that_do_not_fit_are_a_line(ours, theirs, message):
    with pytest.raises(UserError, match=message):
        teacher_of([theirs]).check([ours])


def test_tasks_about_two_texts_learn_from_no_teacher():
    tasks = make_tasks({"tone": ["a", "b"], "alike": "similarity"})
    with pytest.raises(UserError, match=r"teacher: tasks about two texts \(alike\), and a student learns from one"):
        teacher_of(tasks).check(tasks)


def test_classes_of_a_teacher_may_stand_in_another_order(make_encoder):
    from polyhead.models.multitask import MultiTaskModel

    theirs, ours = Task("tone", ("a", "b", "c")), Task("tone", ("c", "a", "b"))
    teacher = teacher_of([theirs])
    teacher.check([ours, Task("new", ("x", "y"))])
    teacher.__dict__["_loaded"] = (MultiTaskModel(make_encoder(), [theirs], dropout=0.0).eval(), None)
    embeddings = torch.randn(4, 16)
    found = teacher.answers(embeddings, [ours, Task("new", ("x", "y"))])
    assert found.keys() == {"tone"}
    assert torch.equal(found["tone"], teacher.model.classify(embeddings)["tone"][:, [2, 0, 1]])


@pytest.fixture
def folder(made, monkeypatch):
    """The folder of teacher and student, as the current one: their configurations name each other from there."""
    monkeypatch.chdir(made)
    return made


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A teacher of four layers, its bundle, and a student of two of them with sentences without labels."""
    place = tmp_path_factory.mktemp("distil")
    done = train(*TINY, *EXACT, "encoder.architecture.num_hidden_layers=4", "hydra.run.dir=old", cwd=place)
    assert done.returncode == 0, done.stderr
    assert script("export", "old", "output=bundle", cwd=place).returncode == 0
    rows = [f"{label} thing {i}" for i in range(12) for label in ("good", "bad")]
    cells = "\n".join(f"{text},{text.split()[0]}" for text in rows)
    (place / "train.csv").write_text(f"text,sentiment\n{cells}\n")
    (place / "more.txt").write_text("".join(f"a line without a label {i}\n" for i in range(10)))
    done = train(*STUDENT, "teacher=old", "hydra.run.dir=student", cwd=place)
    assert done.returncode == 0, done.stderr
    (place / "student.txt").write_text(done.stdout)
    return place


@pytest.mark.slow
def test_student_has_the_layers_that_it_was_asked_for_and_says_of_whom_it_learns(folder):
    output = (folder / "student.txt").read_text()
    assert "teacher: old; answers for category, sentiment and embedding over 64 sentences" in output
    assert "embedding agreement with the teacher " in output
    config = yaml.safe_load((folder / "student" / "config.yaml").read_text())
    assert (config["encoder"]["location"], config["encoder"]["layers"]) == ("old", "every_other")
    assert len(load_trained_run(folder / "student").model.encoder.layers) == 2


@pytest.mark.slow
def test_bundle_of_a_student_is_a_model_by_itself(folder):
    from sentence_transformers import SentenceTransformer

    assert script("export", "student", "output=small", cwd=folder).returncode == 0
    card = (folder / "small" / "README.md").read_text()
    assert "trained with Polyhead: distilled from `old`, whose answers and embedding it learned." in card
    bundle = Bundle.open(folder / "small")
    assert bundle.manifest.made_with["distilled from"] == "old"
    trained = load_trained_run(folder / "student").model
    stock = SentenceTransformer(str(folder / "small"), device="cpu")
    texts = ["A sentence.", "Why do bears not wear shoes?"]
    tokens = bundle.load_text_tokenizer().tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        ours = trained.encoder(tokens["input_ids"], tokens["attention_mask"])
    np.testing.assert_allclose(stock.encode(texts), ours.numpy(), atol=1e-5)


@pytest.mark.slow
def test_bundle_teaches_what_its_run_does(folder):
    done = train(*STUDENT, "teacher=bundle", "hydra.run.dir=of_bundle", cwd=folder)
    assert done.returncode == 0, done.stderr
    ours, theirs = (load_trained_run(folder / name).model.state_dict() for name in ("of_bundle", "student"))
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_student_continues_with_its_own_teacher_alone(folder):
    given = [*STUDENT, "teacher=old", "+trainer.max_steps=2", "hydra.run.dir=stopped"]
    first = train(*given, cwd=folder)
    assert first.returncode == 0, first.stderr
    more = [*EXACT, *NO_PICTURES, "resume=stopped", "+trainer.max_steps=-1"]
    resumed = train(*more, "hydra.run.dir=on", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert "teacher: old; answers for category, sentiment" in resumed.stdout
    checkpoint = folder / "old" / "checkpoints" / "best.ckpt"
    before = checkpoint.read_bytes()
    content = torch.load(checkpoint, weights_only=True)
    content["state_dict"]["model.heads.category.1.bias"] += 1
    torch.save(content, checkpoint)
    try:
        refused = train(*more, "hydra.run.dir=no", cwd=folder)
    finally:
        checkpoint.write_bytes(before)
    assert refused.returncode != 0
    assert "is not as it was when 'stopped' was trained from it (teacher '" in refused.stderr, refused.stderr


@pytest.mark.slow
def test_student_of_another_width_learns_from_sentences_without_labels(folder):
    given = [
        *("data=files", "data.files.train=train.csv", "data.unlabelled=more.txt", "tasks=[sentiment]"),
        *("data.columns=null", "encoder=minilm", "encoder.pretrained=false", "encoder.layers=[0]"),
        *("encoder.architecture.hidden_size=12", "encoder.architecture.intermediate_size=24"),
        *("encoder.architecture.num_attention_heads=2", "trainer.max_epochs=2", "encoder.max_length=16"),
    ]
    teacher = train(
        *TINY[4:], *EXACT, "data=files", "data.files.train=train.csv", "tasks=[sentiment]", "trainer.max_epochs=1",
        "hydra.run.dir=tones", cwd=folder,
    )  # fmt: skip
    assert teacher.returncode == 0, teacher.stderr
    for hold in ("cosine", "similarity"):
        name = f"narrow_{hold}"
        done = train(
            *EXACT, *NO_PICTURES, "experiment=distil", "teacher=tones", *given, f"keep_embedding={hold}",
            f"hydra.run.dir={name}", cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "1 files without any" in done.stdout
        assert "teacher: tones; answers for sentiment and embedding over " in done.stdout
        metrics = json.loads((folder / name / "metrics.json").read_text())
        assert metrics["epochs"] == 2
        assert load_trained_run(folder / name).model.encoder.embedding_size == 12


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["experiment=distil"], "teacher: 'RUN' is neither a finished run nor a bundle; give the folder of one"),
        (["distillation.share=0.5"], "distillation.share=0.5: without effect but with a teacher; give teacher=RUN"),
        (
            ["data=files", "data.files.train=train.csv", "data.unlabelled=more.txt"],
            "data.unlabelled: without effect but with a teacher, since nothing else learns",
        ),
        (["encoder=teacher"], "encoder: that of the teacher, and there is none; give teacher=RUN, or another encoder"),
        (["encoder=teacher", "teacher=nowhere"], "teacher: 'nowhere' is neither a finished run nor a bundle; give the"),
        (["encoder.layers=[2,0]"], "encoder.layers: [2, 0] given; it must be null for all, a number"),
        (["encoder.layers=7"], "encoder.layers: 7 given, and the encoder has 6, counted from 0"),
    ],
)
def test_wrong_words_about_students_are_a_line(tmp_path, given, message):
    (tmp_path / "train.csv").write_text("text,category,sentiment\na,b,c\n")
    (tmp_path / "more.txt").write_text("a\n")
    done = train(*NO_PICTURES, *given, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {message}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["freeze=backbone", "keep_embedding=off"], "teacher: without effect, since nothing is trained by steps"),
        (["distillation.temperature=0"], "distillation.temperature: 0 given; it must be above 0"),
        (["encoder.layers=9"], "encoder.layers: 9 given, and the encoder has 4, counted from 0"),
    ],
)
def test_wrong_words_about_a_teacher_are_a_line(folder, given, message):
    done = train(*STUDENT, "teacher=old", *given, "hydra.run.dir=refused", cwd=folder)
    assert done.returncode != 0
    assert message in done.stderr
