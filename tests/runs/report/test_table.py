import pytest
import yaml
from support.run_folders import compared, make_run, make_sweep

from polyhead.runs.report.statistics import Difference, Mean
from polyhead.runs.report.table import columns, cost_columns, cost_text, difference_text, listed, markdown, score_text


def tables_of(text):
    """Return the cells of each Markdown table in a text, row by row."""
    tables = []
    for block in text.split("\n\n"):
        if block.startswith("|"):
            lines = [line for line in block.splitlines() if not line.startswith(("| --", "|--"))]
            tables.append([[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines])
    return tables


def test_markdown_has_every_column_in_tables_of_80_characters(tmp_path):
    comparison = compared(make_sweep(tmp_path, extra={"news": ("sentiment",)}, none=0.1, backbone=0.4))
    text = markdown(comparison)
    assert max(map(len, text.splitlines())) <= 80
    tables = tables_of(text)
    first, second = ([row[0] for row in table[1:]] for table in tables[:2])
    assert first == second == ["1", "2"]
    found = {row[0][i]: [line[i] for line in row[1:]] for row in tables for i in range(len(row[0]))}
    assert found == {column.title: list(column.cells) for column in [*columns(comparison), *cost_columns(comparison)]}
    assert found["freeze"] == ["none", "backbone"]
    assert found["Δ news: mean"][0] == "baseline"
    assert found["activations"] == ["–", "3 of 6 reused"]
    assert "Scores: macro-F1 on test and news (mean: over the tasks)" in " ".join(text.split())


def test_markdown_of_one_test_set_needs_no_prefix(tmp_path):
    comparison = compared(make_sweep(tmp_path, none=0.1, backbone=0.4))
    titles = [column.title for column in [*columns(comparison), *cost_columns(comparison)]]
    assert titles == [
        "#",
        "freeze",
        "mean",
        "Δ mean",
        "category",
        "sentiment",
        "validation",
        "runs",
        "seconds",
        "sentences/s",
        "trainable",
        "peak MB",
        "activations",
    ]


def test_markdown_has_the_health_of_embeddings_where_it_was_measured(tmp_path):
    for seed, found in enumerate([0.5, 0.7]):
        make_run(tmp_path / f"none_{seed}", seed, health={"agreement": found, "spearman": found - 0.1})
    make_run(tmp_path / "backbone", freeze="backbone", errors=0.5)
    comparison = compared(tmp_path)
    found = {column.title: column.cells for column in columns(comparison)}
    assert [cell[:5] for cell in found["embedding"]] == ["0.600", "–"]
    assert [cell[:5] for cell in found["Spearman"]] == ["0.500", "–"]
    assert "embedding: agreement of its similarities with those before training" in " ".join(
        markdown(comparison).split()
    )


def test_markdown_keeps_columns_apart_whose_titles_are_the_same(tmp_path):
    """A key of the configuration may have the name of a task or of a cost."""
    for number, name in enumerate("ab"):
        folder = make_run(tmp_path / name)
        config = yaml.safe_load((folder / "config.yaml").read_text()) | {"seconds": number, "category": name}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    comparison = compared(tmp_path)
    laid_out = [*columns(comparison), *cost_columns(comparison)]
    assert [list(column.cells) for column in laid_out if column.title == "seconds"] == [["0", "1"], ["10.0", "10.0"]]
    assert len([column for column in laid_out if column.title == "category"]) == 2


def test_markdown_is_wider_only_for_a_column_that_is_too_wide_alone(tmp_path):
    for name in ("a" * 100, "b"):
        folder = make_run(tmp_path / name)
        config = yaml.safe_load((folder / "config.yaml").read_text()) | {"note": name}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
    widths = {block.index("\n") for block in markdown(compared(tmp_path)).split("\n\n") if block.startswith("|")}
    assert [width for width in widths if width > 80] == [5 + 3 + 100 + 2]  # the number beside it, and no more


def test_markdown_without_a_run_says_so(tmp_path):
    (make_run(tmp_path / "run") / "metrics.json").unlink()
    assert markdown(compared(tmp_path)) == "No run is done yet.\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (score_text(None), "–"),
        (score_text(Mean(0.5, None, 1)), "0.500"),
        (score_text(Mean(0.9125, 0.0081, 3)), "0.912 ± 0.008"),
        (difference_text(None), "–"),
        (difference_text(Difference(-0.012, 0.01, 0.02, 0.04, 3, True)), "−0.012 ± 0.010"),
        (difference_text(Difference(0.012, 0.01, 0.02, 0.06, 3, True)), "+0.012 ± 0.010 n.s."),
        (cost_text("seconds", None), "–"),
        (cost_text("seconds", 61.25), "61.2"),
        (cost_text("seconds", 1234.5), "1,234"),
        (cost_text("peak_megabytes", 61.25), "61"),
        (listed(["test"]), "test"),
        (listed(["test", "news", "letters"]), "test, news and letters"),
    ],
)
def test_texts_of_cells(text, expected):
    assert text == expected
