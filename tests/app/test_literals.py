import random

from omegaconf import OmegaConf

from polyhead.app.literals import literal


def test_literal_texts_come_back_as_they_are(monkeypatch):
    monkeypatch.setenv("SECRET", "told")
    dice = random.Random(0)
    pieces = ["\\", "\\", "${", "}", "$", "{", "a", ":", ".", " ", "'", '"', "[", "oc.env:SECRET"]
    for _ in range(2_000):
        text = "".join(dice.choice(pieces) for _ in range(dice.randrange(10)))
        config = OmegaConf.create(literal({"a": text, "b": [text, 1, None], "c": {"d": (text,)}}))
        assert config.a == config.b[0] == text
        expected = {"a": text, "b": [text, 1, None], "c": {"d": [text]}}
        assert OmegaConf.to_container(config, resolve=True) == expected
