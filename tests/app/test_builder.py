import pytest
from omegaconf import OmegaConf

from polyhead.app.builder import build
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
