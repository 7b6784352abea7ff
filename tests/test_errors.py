from polyhead.errors import neighbours


def test_the_nearest_come_first_and_all_are_listed():
    assert neighbours("backbon", ["none", "backbone", "all"]) == "did you mean 'backbone'? Valid: all, backbone, none"


def test_without_a_near_one_only_the_valid_ones_are_listed():
    assert neighbours("xyz", ["b", "a"]) == "Valid: a, b"
