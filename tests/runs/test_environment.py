import json
import os
import subprocess

from polyhead.runs.environment import describe_environment, git_state

AUTHOR = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}


def test_environment_is_plain_json_with_versions_and_hardware():
    facts = describe_environment()
    assert json.loads(json.dumps(facts)) == facts
    assert facts.keys() == {"command", "python", "versions", "git", "hardware"}
    assert {"torch", "lightning", "transformers", "polyhead"} <= facts["versions"].keys()
    assert facts["hardware"]["threads"] >= 1


def test_git_state_has_the_commit_and_whether_files_changed_since(tmp_path):
    def git(*arguments):
        command = ["git", "-C", tmp_path, *arguments]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | AUTHOR)

    assert git_state(tmp_path) is None
    git("init", "-q")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-qm", "one")
    clean = git_state(tmp_path)
    (tmp_path / "file").write_text("2")
    assert clean["changed"] is False
    assert git_state(tmp_path) == {"commit": clean["commit"], "changed": True}
