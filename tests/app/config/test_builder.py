import pytest
from omegaconf import OmegaConf

from polyhead.app.config.builder import build
from polyhead.errors import ParameterError, UserError, check_parameters


class Made:
    """A class that a configuration may name."""

    def __init__(self, a: list, marker: object, size: int = 1):
        self.a, self.marker = a, marker
        check_parameters(("size", size, size > 0, "above 0"), ("size.of", size, size > -1, "above -1"))


def broken():
    raise RuntimeError("out\nof order")


def mistaken():
    raise UserError("tasks: none given")


def node(name="Made", **arguments):
    return OmegaConf.create({"_target_": f"{__name__}.{name}", **arguments})


def test_build_hands_objects_to_the_target_as_they_are():
    marker = object()
    made = build(node(a=[1, {"b": 2}]), "key", marker=marker)
    assert made.marker is marker
    assert made.a == [1, {"b": 2}]
    assert type(made.a) is list


def test_build_hands_over_texts_as_they_are_resolved_and_no_further():
    text, nested = r"\${oc.env:HOME}", {"b": [r"\${x}"], "c": r"\\\${x}"}
    made = build(node(a=[text, nested]), "key", marker=None)
    assert made.a == ["${oc.env:HOME}", {"b": ["${x}"], "c": r"\${x}"}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (node(a=[], size=0), "key.size: 0 given; it must be above 0"),
        (
            node(a=[], size=-1),
            "key.size: -1 given; it must be above 0\nkey.size.of: -1 given; it must be above -1",
        ),
        (node(a=[], size="x"), "key.size: 'x' given; it must be a whole number"),
        (node(a=[], sice=1), "key.sice: Made has no such argument; did you mean 'size'? Valid: a, size"),
        (node(), "key.a: missing; set key.a=..."),
        (node(a=[], marker=2), "key.marker: the run sets it by itself; leave it out"),
        (node(a="x"), "key.a: 'x' given; it must be a list"),
        (3, "key: 3 given; it has entries with names, _target_ among them"),
        (OmegaConf.create({"size": 1}), "key._target_: missing; name a class or a function"),
        (node("Nothing"), f"key._target_: '{__name__}.Nothing' cannot be found; name a class or a function"),
    ],
)
def test_build_puts_the_key_in_front_of_what_is_wrong_with_an_argument(given, message):
    with pytest.raises(UserError) as caught:
        build(given, "key", marker=None)
    assert str(caught.value).startswith(message)
    assert not isinstance(caught.value, ParameterError), "the line is final; nobody puts another key in front"


@pytest.mark.parametrize(("name", "message"), [("broken", "key: out of order"), ("mistaken", "tasks: none given")])
def test_build_reports_other_errors_in_one_line(name, message):
    with pytest.raises(UserError) as caught:
        build(node(name), "key")
    assert str(caught.value) == message


def test_build_refuses_what_makes_an_object_of_another_kind():
    with pytest.raises(UserError, match=r"^key\._target_: '.*\.Made' makes Made; it must make int$"):
        build(node(a=[]), "key", int, marker=None)
