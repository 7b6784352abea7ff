import pytest

from polyhead.errors import UserError
from polyhead.tasks import MISSING, Task, make_tasks, per_task_problems, value_for


def test_task_index_is_the_labels_position():
    task = Task("sentiment", ("Neutral", "Positive"))
    assert [task.index(label) for label in ("Neutral", "Positive", None)] == [0, 1, MISSING]


def test_task_index_refuses_an_unknown_label_and_suggests_others():
    with pytest.raises(UserError, match="unknown label 'positive'; did you mean 'Positive'"):
        Task("sentiment", ("Neutral", "Positive")).index("positive")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "tasks: none given"),
        ({"a": ["x"]}, "tasks.a: 1 label"),
        ({"a": ["x", "y", "x"]}, "tasks.a: x given twice"),
        ({"a b": ["x", "y"]}, "'a b' cannot name a head; use letters, digits and underscores, and give its column in"),
        ({5: ["x", "y"]}, "'5' cannot name a head"),
    ],
)
def test_make_tasks_refuses_malformed_tasks(labels, message):
    with pytest.raises(UserError, match=message):
        make_tasks(labels)


def test_make_tasks_takes_class_names_that_are_found():
    def find(names):
        return {name: (f"{name}1", f"{name}2") for name in names}

    given = ["a", {"b": ["x", "y"]}]
    assert make_tasks(given, find) == make_tasks({"a": None, "b": ["x", "y"]}, find)
    assert [task.labels for task in make_tasks(given, find)] == [("a1", "a2"), ("x", "y")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["a"], "no labels given for a; name them"),
        (["a", {"a": ["x", "y"]}], "each task stands once"),
        ([], "none given"),
    ],
)
def test_make_tasks_refuses_class_names_that_nobody_can_know(given, message):
    with pytest.raises(UserError, match=message):
        make_tasks(given)


def test_make_tasks_writes_class_names_as_labels_in_data():
    tasks = make_tasks({"yes": [True, False], "stars": [1.0, 2], "padded": [" a ", "b"], "no": ["True", "False"]})
    assert [task.labels for task in tasks] == [("true", "false"), ("1", "2"), ("a", "b"), ("True", "False")]


@pytest.mark.parametrize(
    ("label", "told"), [(None, "null"), ("", "''"), (" ", "' '"), (0.5, "0.5"), (["b"], r"\['b'\]"), ({}, "{}")]
)
def test_make_tasks_refuses_what_is_no_class_name(label, told):
    with pytest.raises(UserError, match=f"^tasks.a: {told} is no class name; it must be text or a whole number$"):
        make_tasks({"a": ["x", label]})


def test_make_tasks_keeps_their_order_and_makes_labels_text():
    tasks = make_tasks({"stars": [1, 2, 3], "category": ["a", "b"]})
    assert [task.name for task in tasks] == ["stars", "category"]
    assert tasks[0].labels == ("1", "2", "3")


@pytest.mark.parametrize(("given", "value"), [(0.5, 0.5), ({"a": 2.0}, 2.0), ({"b": 2.0}, 1.0), ({}, 1.0)])
def test_value_for_a_task_is_its_own_or_the_default(given, value):
    assert value_for("a", given, default=1.0) == value


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "2", None, [1]])
def test_per_task_problems_name_what_is_no_allowed_number(value):
    def problems(given):
        return per_task_problems("rate", given, ["a", "b"], lambda number: number >= 0, "a number, 0 or more")

    assert problems(value) == [f"rate: {value!r} given; it must be a number, 0 or more"]
    assert problems({"a": value, "b": 1}) == [f"rate.a: {value!r} given; it must be a number, 0 or more"]
    assert problems({"c": value}) == ["rate: unknown task 'c'; Valid: a, b"]


def test_per_task_problems_are_none_where_all_is_allowed():
    for given in (0, 0.5, {}, {"a": 0, "b": 3.5}):
        assert per_task_problems("rate", given, ["a", "b"], lambda number: number >= 0, "0 or more") == []
