"""Values as names have them."""

from polyhead.runs.names import shorten


def test_values_without_paths_stay_as_they_are():
    for value in ("none", "0.001", "[encoder.layers,heads]", "1e-3", "v1.2"):
        assert shorten([value]) == {value: value}


def test_files_are_named_by_their_stems_and_kept_apart():
    found = shorten(["a/x.csv", "b/x.csv"])
    assert all(name.startswith("x~") for name in found.values())
    assert len({*found.values()}) == 2
    assert shorten(["'a b/x y.jsonl'"]) == {"'a b/x y.jsonl'": "x y"}
