import sys

import pytest
from torchjd.aggregation import CAGrad, NashMTL
from torchjd.scalarization import STCH

from polyhead.errors import ParameterError, UserError
from polyhead.objectives.weighting.torchjd import torchjd_rule


def test_rule_is_built_with_its_settings():
    aggregator = torchjd_rule("aggregator", "CAGrad", {"c": 0.7}, 3)
    scalarizer = torchjd_rule("scalarizer", "STCH", {"mu": 0.3}, 3)
    assert isinstance(aggregator, CAGrad)
    assert isinstance(scalarizer, STCH)
    assert (repr(aggregator), scalarizer.mu) == (repr(CAGrad(c=0.7)), 0.3)


def test_rule_is_given_the_number_of_tasks_where_it_asks_for_it():
    rule = torchjd_rule("aggregator", "NashMTL", {"max_norm": 2.0}, 5)
    assert repr(rule) == repr(NashMTL(n_tasks=5, max_norm=2.0))
    assert repr(torchjd_rule("aggregator", "NashMTL", {"n_tasks": 4}, 4)) == repr(NashMTL(n_tasks=4))


def test_settings_that_are_given_stay_as_they_are():
    settings = {}
    torchjd_rule("aggregator", "NashMTL", settings, 5)
    assert settings == {}


@pytest.mark.parametrize(
    ("kind", "name", "settings", "start"),
    [
        ("scalarizer", "GeometricMeen", {}, "scalarizer: TorchJD has no 'GeometricMeen'; did you mean 'GeometricMean'"),
        ("aggregator", "PCGrat", {}, "aggregator: TorchJD has no 'PCGrat'; did you mean 'PCGrad'"),
        ("aggregator", "Aggregator", {}, "aggregator: TorchJD has no 'Aggregator'"),  # the base of them, abstract
        ("aggregator", "PCGradWeighting", {}, "aggregator: TorchJD has no 'PCGradWeighting'"),  # another kind of thing
        ("scalarizer", "PCGrad", {}, "scalarizer: TorchJD has no 'PCGrad'"),
        (
            "scalarizer",
            "STCH",
            {"mu": -1.0},
            "settings: {'mu': -1.0} given; Parameter `mu` should be strictly positive",
        ),
        ("scalarizer", "STCH", {}, "settings: {} given; STCH.__init__() missing 1 required positional argument: 'mu'"),
        (
            "aggregator",
            "NashMTL",
            {"n_tasks": 9},
            "settings.n_tasks: 9 given; it must be 3, as many as there are tasks",
        ),
        ("aggregator", "CAGrad", {"c": float("nan")}, "settings.c: nan given; it must be a finite number"),
        ("scalarizer", "STCH", {"mu": float("inf")}, "settings.mu: inf given; it must be a finite number"),
        ("aggregator", "NashMTL", {"norm": 1}, "settings: {'norm': 1, 'n_tasks': 3} given; NashMTL.__init__() got an"),
    ],
)
def test_wrong_rule_or_setting_is_refused_in_one_line(kind, name, settings, start):
    with pytest.raises(ParameterError) as caught:
        torchjd_rule(kind, name, settings, 3)
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)


def test_names_that_are_suggested_are_those_of_the_kind():
    with pytest.raises(ParameterError) as caught:
        torchjd_rule("scalarizer", "x", {}, 3)
    names = str(caught.value).partition("Valid: ")[2].split(", ")
    assert {"GeometricMean", "Random", "STCH"} <= set(names)
    assert not {"Scalarizer", "PCGrad"} & set(names)


@pytest.mark.parametrize(("kind", "home"), [("scalarizer", "scalarization"), ("aggregator", "aggregation")])
def test_torchjd_that_is_missing_is_named_with_its_extra(monkeypatch, kind, home):
    monkeypatch.setitem(sys.modules, f"torchjd.{home}", None)
    with pytest.raises(UserError) as caught:
        torchjd_rule(kind, "Random", {}, 3)
    assert str(caught.value) == (f'{kind}: torchjd.{home} is not installed; run: pip install "polyhead[balancing]"')


def test_library_that_a_rule_lacks_is_named_with_the_extra(monkeypatch):
    def refuse(self, *_, **__):
        raise ModuleNotFoundError("No module named 'cvxpy'", name="cvxpy")

    monkeypatch.setattr(CAGrad, "__init__", refuse)
    with pytest.raises(UserError) as caught:
        torchjd_rule("aggregator", "CAGrad", {"c": 0.5}, 3)
    assert str(caught.value) == 'aggregator CAGrad: cvxpy is not installed; run: pip install "polyhead[balancing]"'
