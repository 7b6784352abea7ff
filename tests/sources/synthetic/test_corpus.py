"""Properties of the hypothetical corpus, measured on what it generates."""

import os
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Mapping
from itertools import islice, pairwise

import pytest

from polyhead.errors import UserError
from polyhead.sources.synthetic import corpus as module
from polyhead.sources.synthetic.corpus import (
    CATEGORIES,
    LABELS,
    SENTIMENTS,
    SPLITS,
    TOPICS,
    HypotheticalCorpus,
    Sentence,
)
from polyhead.sources.synthetic.grammar import Grammar, split_alternatives
from polyhead.sources.synthetic.material import read_grammar

FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        a about after all along am amid an and another any anything are as at away be because been
        before behind being below beside between both but by can cannot could did do does down each
        even ever every everyone far for from had half has have he her here him his how i if in
        inside into is it its itself just let like many may me mine more most much must my near
        neither never no nobody none nor not nothing now of off often oh on once one only or other
        others our out outside over own per quite rather second see she should since so some still
        such than that the their them then there these they this those through to together too
        toward twice two under until up upon us very was we well were what when where whether which
        while who whom whose why will with within without would yet you your
        """,
    )
)
"""The words that both sides of the hold-out may use; every other word is a content word."""

DEFAULTS = {"train": 4000, "validation": 1000, "test": 1000}


def make_corpus(**changes) -> HypotheticalCorpus:
    defaults = {
        "sizes": DEFAULTS,
        "seed": 0,
        "label_noise": 0,
        "imbalance": 1,
        "correlation": 0,
        "missing": 0,
    }
    return HypotheticalCorpus(**{**defaults, **changes})


def generate(split: str, size: int, **changes) -> list[Sentence]:
    return list(make_corpus(sizes={split: size}, **changes).sentences(split))


def words(sentences: list[Sentence]) -> set[str]:
    return {word for text, _ in sentences for word in re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text.lower())}


def shares(sentences: list[Sentence], task: str) -> dict[str | None, float]:
    counts = Counter(sentence.labels[task] for sentence in sentences)
    return {label: count / len(sentences) for label, count in counts.items()}


@pytest.fixture(scope="module")
def large() -> dict[str, list[Sentence]]:
    """100,000 sentences of each side of the hold-out, and enough of validation to hold against test."""
    return {
        "train": generate("train", 100_000),
        "validation": generate("validation", 20_000),
        "test": generate("test", 100_000),
    }


@pytest.mark.slow
def test_corpus_labels_are_those_announced(large):
    for sentence in large["train"][:2000]:
        assert list(sentence.labels) == list(LABELS)
        assert all(sentence.labels[task] in LABELS[task] for task in LABELS)


def test_seed_decides_the_sentences():
    assert generate("train", 300, seed=3) == generate("train", 300, seed=3)
    assert generate("train", 300, seed=3) != generate("train", 300, seed=4)


@pytest.mark.slow
def test_sentences_do_not_depend_on_the_hash_seed():
    command = (
        "from polyhead.sources.synthetic.corpus import HypotheticalCorpus as C\n"
        "c = C({'train': 50, 'test': 50}, 7, 0.2, 3, 0.5, 0.2)\n"
        "print([*c.sentences('train'), *c.sentences('test')])"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", command],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1")
    }
    assert len(outputs) == 1


def test_smaller_split_begins_a_larger_one_whatever_the_other_sizes():
    small = make_corpus(sizes={"train": 10, "validation": 20, "test": 70})
    large = make_corpus(sizes={"train": 500, "validation": 0, "test": 90})
    for split, size in small.sizes.items():
        shared = min(size, large.sizes[split])
        assert len(list(small.sentences(split))) == size
        assert list(small.sentences(split))[:shared] == list(large.sentences(split))[:shared]


def test_label_noise_and_missing_labels_leave_the_texts_alone():
    texts = [text for text, _ in generate("train", 500)]
    assert [text for text, _ in generate("train", 500, label_noise=0.5, missing=0.5)] == texts


@pytest.mark.parametrize("split", SPLITS)
def test_cells_of_labels_are_equally_frequent(split):
    cells = Counter(tuple(labels.values()) for _, labels in generate(split, 1800))
    assert len(cells) == len(CATEGORIES) * len(SENTIMENTS) * len(TOPICS)
    assert set(cells.values()) == {10}


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS)
def test_imbalance_is_the_ratio_of_the_first_to_the_last_class(split):
    sentences = generate(split, 20_000, imbalance={"category": 8})
    category = shares(sentences, "category")
    assert [*sorted(category, key=category.get, reverse=True)] == list(CATEGORIES)
    assert category["Expression"] / category["Other"] == pytest.approx(8, rel=0.1)
    steps = [category[a] / category[b] for a, b in pairwise(CATEGORIES)]
    assert steps == pytest.approx([8 ** (1 / 5)] * 5, rel=0.15)
    assert list(shares(sentences, "sentiment").values()) == pytest.approx([1 / 3] * 3, abs=0.01)


def test_imbalance_given_once_holds_for_all_tasks():
    sentences = generate("train", 20_000, imbalance=4)
    for task, labels in LABELS.items():
        measured = shares(sentences, task)
        assert measured[labels[0]] / measured[labels[-1]] == pytest.approx(4, rel=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0, 0.4, 1])
def test_correlation_is_the_share_that_follows_the_category(correlation):
    pairs = Counter(
        (labels["category"], labels["sentiment"]) for _, labels in generate("train", 18_000, correlation=correlation)
    )
    for category in CATEGORIES:
        counts = [pairs[category, sentiment] for sentiment in SENTIMENTS]
        assert max(counts) / sum(counts) == pytest.approx(correlation + (1 - correlation) / 3, abs=0.02)
    assert sum(pairs.values()) == 18_000


@pytest.mark.slow
def test_label_noise_replaces_its_share_of_the_training_labels():
    clean, noisy = generate("train", 20_000), generate("train", 20_000, label_noise={"category": 0.3})
    pairs = [(a.labels, b.labels) for a, b in zip(clean, noisy, strict=True)]
    changed = Counter((a["category"], b["category"]) for a, b in pairs if a["category"] != b["category"])
    assert sum(changed.values()) / 20_000 == pytest.approx(0.3, abs=0.015)
    assert len(changed) == 30  # from each class to each of the five others
    assert all(a["sentiment"] == b["sentiment"] and a["topic"] == b["topic"] for a, b in pairs)
    assert all(a["category"] != b["category"] for a, b in _pair_labels(label_noise=1))


def _pair_labels(**changes) -> list[tuple[Mapping, Mapping]]:
    clean, changed = generate("train", 500), generate("train", 500, **changes)
    return [(a.labels, b.labels) for a, b in zip(clean, changed, strict=True)]


@pytest.mark.slow
def test_missing_drops_its_share_of_each_tasks_training_labels():
    sentences = generate("train", 20_000, missing={"category": 0.25, "sentiment": 1})
    assert shares(sentences, "category")[None] == pytest.approx(0.25, abs=0.015)
    assert shares(sentences, "sentiment") == {None: 1.0}
    assert None not in shares(sentences, "topic")
    both = Counter(
        (labels["category"] is None, labels["sentiment"] is None)
        for _, labels in generate("train", 20_000, missing=0.5)
    )
    assert both[True, True] / 20_000 == pytest.approx(0.25, abs=0.015)  # independent of each other


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_labels_have_neither_noise_nor_gaps(split):
    assert generate(split, 300, label_noise=1, missing=1) == generate(split, 300)


@pytest.mark.slow
def test_held_out_content_words_never_occur_in_training(large):
    known = words(large["train"])
    for split in ("validation", "test"):
        assert words(large[split]) & known <= FUNCTION_WORDS


def _texts(grammar: Grammar) -> list[str]:
    """Return all alternatives of a grammar's pools and patterns as they stand in its files."""
    groups = [*grammar.topics.values(), *grammar.sentiments.values(), grammar.general, *grammar.phrases.values()]
    return [text for pools in [*groups, *grammar.frames.values()] for text in pools.values()]


def test_held_out_words_share_no_content_word_with_those_of_training():
    def listed(side: str) -> set[str]:
        text = " ".join(_texts(read_grammar(side))).lower().replace("_", " ")
        return set(re.findall(r"[a-z]+(?:['-][a-z]+)*", re.sub(r"\{[^}]*\}('s)?", " ", text)))

    assert len(listed("train")) > 1000
    assert len(listed("held_out")) > 1000
    assert listed("held_out") & listed("train") <= FUNCTION_WORDS


def test_held_out_patterns_are_none_of_trainings():
    def skeletons(side: str) -> set[str]:
        texts = [text for kinds in read_grammar(side).frames.values() for text in kinds.values()]
        frames = [frame for text in texts for frame in split_alternatives(text)]
        return {re.sub(r"(\s*\{[^}]*\})+", " _", frame).lower() for frame in frames}

    train, held_out = skeletons("train"), skeletons("held_out")
    assert len(train) > 90
    assert len(held_out) > 60
    assert not train & held_out


@pytest.mark.slow
def test_splits_share_no_sentence(large):
    texts = {split: {text for text, _ in large[split]} for split in SPLITS}
    assert not texts["validation"] & texts["test"]
    assert not texts["train"] & (texts["validation"] | texts["test"])


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_sentences_are_nearly_all_distinct_among_100_000(large, split):
    assert len({text for text, _ in large[split]}) >= 0.99 * 100_000
    for category in CATEGORIES:
        texts = [text for text, labels in large[split] if labels["category"] == category]
        assert len(set(texts)) >= 0.99 * len(texts), category


@pytest.mark.parametrize("split", SPLITS)
def test_split_of_the_default_size_hardly_repeats_itself(split):
    texts = [text for text, _ in generate(split, DEFAULTS[split])]
    assert len(texts) - len(set(texts)) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_sentences_are_well_formed(large, split):
    for text, _ in large[split]:
        assert re.fullmatch(r"[\"]?[A-Z0-9].*[\w.!?\"]", text), text
        assert not re.search(r"[{}_~|/]|\s\s|\s[.,;:!?]|[.,;:!?]{2}|None", text), text
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiouAEIOU]", text), text
        assert not re.search(r"\b(\w+) \1\b", text), text
        assert text.count('"') in (0, 2, 4), text


@pytest.mark.slow
def test_sentence_lengths_vary(large):
    for split in ("train", "test"):
        lengths = sorted(len(text.split()) for text, _ in large[split])
        assert lengths[0] >= 4
        assert lengths[-1] <= 32
        assert lengths[90_000] >= 2 * lengths[10_000]


@pytest.mark.slow
def test_punctuation_gives_no_category_away(large):
    for split in ("train", "test"):
        for mark, least in (('"', 4), ("?", 4)):
            users = {labels["category"] for text, labels in large[split] if mark in text}
            assert len(users) >= least, (split, mark)
        for category, mark in (("Quote", '"'), ("Riddle", "?"), ("Expression", "!")):
            without = [text for text, labels in large[split] if labels["category"] == category and mark not in text]
            assert len(without) >= 0.1 * 100_000 / 6, (split, category)


@pytest.mark.slow
def test_topic_words_serve_many_categories(large):
    """No subject noun of a topic stands in fewer than four categories."""
    for word in ("menu", "hotel", "concert", "loan"):
        users = {labels["category"] for text, labels in large["train"] if word in text.lower()}
        assert len(users) >= 4, word


def test_generation_is_lazy_and_keeps_nothing():
    sentences = make_corpus(sizes={"train": 10**9}).sentences("train")
    for _ in islice(sentences, 2000):  # every topic's grammar is compiled by then
        pass
    tracemalloc.start()
    try:
        for _ in islice(sentences, 5000):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200_000  # bytes; 5,000 sentences kept would be some 3 million


def test_corpus_refuses_all_bad_values_at_once():
    with pytest.raises(UserError) as caught:
        HypotheticalCorpus(
            sizes={"train": -1, "tset": 5},
            seed=1.5,
            label_noise=2,
            imbalance={"category": 0.5, "sentimnt": 2},
            correlation=float("nan"),
            missing={"topic": "much"},
        )
    problems = str(caught.value).splitlines()
    expected = [
        "sizes.train: -1 given",
        "sizes: unknown split 'tset'; did you mean 'test'?",
        "seed: 1.5 given",
        "label_noise: 2 given; it must be a number from 0 to 1",
        "imbalance.category: 0.5 given; it must be a number of 1 or more",
        "imbalance: unknown task 'sentimnt'; did you mean 'sentiment'?",
        "correlation: nan given",
        "missing.topic: 'much' given",
    ]
    assert len(problems) == len(expected)
    for problem, beginning in zip(problems, expected, strict=True):
        assert problem.startswith(beginning)


def test_corpus_refuses_no_sizes_and_an_unknown_split():
    with pytest.raises(UserError, match=r"sizes: {} given"):
        make_corpus(sizes={})
    with pytest.raises(UserError, match=r"no split 'tets'; did you mean 'test'"):
        make_corpus().sentences("tets")  # at once, not at the first sentence


def test_corpus_imports_neither_torch_nor_numpy():
    command = f"import sys, {module.__name__}; print({{'torch', 'numpy'}} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True, text=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize("task", ["category", "sentiment"])
def test_bag_of_words_beats_the_majority_class_but_not_by_far(task):
    pytest.importorskip("sklearn")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline

    train, test = generate("train", 4000), generate("test", 1000)
    classifier = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=2000))
    classifier.fit([text for text, _ in train], [labels[task] for _, labels in train])
    predicted = classifier.predict([text for text, _ in test])
    score = f1_score([labels[task] for _, labels in test], predicted, average="macro")
    majority = {"category": 0.05, "sentiment": 0.17}[task]
    assert majority + 0.05 < score < 0.60


def test_corpus_finds_its_class_names():
    assert make_corpus().find_labels(["topic", "sentiment"]) == {"topic": TOPICS, "sentiment": SENTIMENTS}
    with pytest.raises(UserError, match="know no 'tone'; .*Valid: category, sentiment, topic"):
        make_corpus().find_labels(["tone"])
