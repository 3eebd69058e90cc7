"""`.ci/run` on a small repository: it runs the README's test command, in a copy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(
    shutil.which("git") is None or shutil.which("bash") is None, reason="it is a script for git"
)
def test_the_working_tree_and_its_environment_are_left_alone(tmp_path):
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / ".ci", tree / ".ci")
    command = "set -e; [ ! -e gone ]; [ ! -e .venv ]; cat new; pwd; touch made; exit 3; pytest"
    (tree / "README.md").write_text(f"$ {command}\n")
    (tree / ".gitignore").write_text(".venv/\n")
    (tree / ".venv").mkdir()
    (tree / ".venv" / "keep").touch()
    (tree / "gone").touch()
    for args in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *args], cwd=tree, check=True)
    (tree / "gone").unlink()
    (tree / "new").write_text("not added yet\n")
    before = sorted(tree.rglob("*"))

    done = subprocess.run([tree / ".ci" / "run"], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 3, done.stderr
    new, where = done.stdout.splitlines()[-2:]
    assert new == "not added yet"
    assert sorted(tree.rglob("*")) == before
    assert not Path(where).exists()


def test_the_readmes_commands_need_no_python_outside_of_the_environment():
    """Debian has python3 and no python; an environment has both."""
    commands = re.findall(r"^\$ (.*)$", README, re.MULTILINE)
    assert sum("-m venv" in command for command in commands) == 2
    assert not any(re.search(r"(?<![\w/])(python|pip|pytest)\b(?!3)", c) for c in commands)
