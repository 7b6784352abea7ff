from polyhead.storage.markdown import markdown_table


def test_markdown_table_pads_its_columns_and_aligns_numbers_to_the_right():
    table = markdown_table(["task", "n"], [["category", "1"], ["x", "1,000"]], right=[1])
    assert table.splitlines() == [
        "| task     |     n |",
        "| -------- | ----: |",
        "| category |     1 |",
        "| x        | 1,000 |",
    ]


def test_markdown_table_keeps_cells_in_their_columns_whatever_is_in_them():
    table = markdown_table(["a", "b"], [["x|y\\z", "one\n  two"], ["", "–"]])
    assert table.splitlines()[2:] == ["| x\\|y\\\\z | one two |", "|         | –       |"]


def test_markdown_table_without_rows_is_its_head():
    assert markdown_table(["a", "long title"], []) == "| a   | long title |\n| --- | ---------- |"
