from polyhead.app.terminal.progress import text_progress


def test_text_progress_shows_nothing_away_from_a_terminal(capsys):
    with text_progress() as progress:
        bar = progress.add_task("encoding", total=None, rows=0)
        progress.update(bar, completed=None, rows=5)
    assert capsys.readouterr() == ("", "")
