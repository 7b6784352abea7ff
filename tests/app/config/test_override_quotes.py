"""The hint for text that Hydra's grammar refuses can be typed as it stands."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from polyhead.app.config.override_quotes import quoting_hint


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("tasks=[mood,größe]", ["mood", "größe"]),
        ("tasks=[心情,настроение]", ["心情", "настроение"]),
        ("data.text=Größe", "Größe"),
        ("data.columns={mood: Stimmung 😀}", {"mood": "Stimmung 😀"}),
        ("data.files.train=[a ü.csv,'b c.csv']", ["a ü.csv", "b c.csv"]),
        ("data.text=it's ü", "it's ü"),
        ("tasks=[{mood: [schön, a]}]", [{"mood": ["schön", "a"]}]),
    ],
)
def test_quoting_hint_works_when_typed_in_a_shell(override, value):
    (typed,) = shlex.split(quoting_hint(override).partition("inside quotes: ")[2])
    (parsed,) = OverridesParser.create().parse_overrides([typed])
    assert parsed.key_or_group == override.partition("=")[0]

    def text(given):
        if isinstance(given, list):
            return [text(entry) for entry in given]
        return {str(k): text(v) for k, v in given.items()} if isinstance(given, dict) else getattr(given, "text", given)

    assert text(parsed.value()) == value


def test_quoting_hint_names_another_way_where_quotes_do_not_help():
    assert "a YAML file takes others" in quoting_hint("data.columns={größe: x}")
