"""The text files of the grammar: every section has its place, every pattern compiles, and a new pattern is used."""

import re
from itertools import product

import pytest

from polyhead.sources.synthetic import material
from polyhead.sources.synthetic.corpus import CATEGORIES, SENTIMENTS, TOPICS
from polyhead.sources.synthetic.grammar import split_alternatives
from polyhead.sources.synthetic.material import read_grammar

SIDES = ("train", "held_out")
KINDS = {"any", "polar", "neutral"}


@pytest.mark.parametrize("side", SIDES)
def test_files_have_the_sections_that_labels_need_and_no_others(side):
    grammar = read_grammar(side)
    assert tuple(grammar.topics) == TOPICS
    assert {*grammar.sentiments} == {*SENTIMENTS}
    assert {*grammar.phrases} == KINDS
    assert tuple(grammar.frames) == CATEGORIES
    assert all({*kinds} == KINDS for kinds in grammar.frames.values())
    for pools in grammar.topics.values():  # one may have pools of its own besides, in place of the general ones
        assert {"thing", "item", "person", "place", "body", "task", "fact", "praise", "blame"} <= pools.keys()


@pytest.mark.parametrize("side", SIDES)
def test_files_hold_no_section_that_nothing_reads(side):
    words, patterns = (material._read_sections(f"{kind}_{side}.ini") for kind in ("words", "patterns"))
    assert all(re.fullmatch(r"topic \w+|sentiment \w+|general", title) for title in words)
    assert all(re.fullmatch(r"phrases \w+|sentences \w+", title) for title in patterns)


@pytest.mark.parametrize(("side", "topic"), [*product(SIDES, TOPICS)])
def test_patterns_compile_and_draw_on_pools_that_exist(side, topic):
    compiled = read_grammar(side).compile(topic)
    assert {*compiled} == {*product(CATEGORIES, SENTIMENTS)}
    for (category, sentiment), sentences in compiled.items():
        kind = "neutral" if sentiment == "Neutral" else "polar"
        frames = read_grammar(side).frames[category]
        assert len(sentences) == len(split_alternatives(frames["any"])) + len(split_alternatives(frames[kind]))


@pytest.mark.parametrize("side", SIDES)
def test_pools_are_all_used(side):
    grammar = read_grammar(side)
    groups = [*grammar.topics.values(), *grammar.sentiments.values(), grammar.general, *grammar.phrases.values()]
    texts = [text for pools in [*groups, *grammar.frames.values()] for text in pools.values()]
    used = {name.lower() for text in texts for name in re.findall(r"\{[!+=-]?(\w+)", text)}
    flair = {"praise", "blame"}  # the pool ``flair`` stands for both
    assert {name for pools in groups for name in pools} - flair <= used


def test_pattern_added_to_a_file_is_read(monkeypatch, tmp_path):
    for name in ("words_train.ini", "patterns_train.ini"):
        text = material.files(material.__package__).joinpath(name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(
            text.replace("[sentences Riddle]\nany =", "[sentences Riddle]\nany =\n    Odd = {thing}?")
        )
    monkeypatch.setattr(material, "files", lambda package: tmp_path)
    added = read_grammar.__wrapped__("train").frames["Riddle"]["any"]
    assert split_alternatives(added)[0] == "Odd = {thing}?"


def test_unknown_side_is_refused():
    with pytest.raises(FileNotFoundError, match="words_nowhere.ini"):
        read_grammar("nowhere")
