"""What user code sees of its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import flowgraph
from flowgraph.runtime.setting import Setting, package_folder


@pytest.fixture
def here(monkeypatch):
    """The setting of the tests, which is put back."""
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    setting = Setting.here()
    yield setting
    setting.apply()


def test_setting_is_a_snapshot(here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLOWGRAPH_TEST", "later")
    assert here.folder != os.getcwd()
    assert "FLOWGRAPH_TEST" not in here.environ


def test_everything_is_applied(here, tmp_path):
    environ = {**here.environ, "FLOWGRAPH_TEST": "x"}
    del environ["HOME"]
    wanted = Setting(str(tmp_path), environ, ["somewhere", *here.path], ["prog", "-v"])
    wanted.apply()
    assert Path.cwd() == tmp_path.resolve()
    assert dict(os.environ) == environ
    assert sys.path[0] == "somewhere"
    assert sys.argv == ["prog", "-v"]


def test_flowgraph_can_always_be_found(here):
    Setting(None, here.environ, [], []).apply()
    assert sys.path == [package_folder()]
    assert Path(flowgraph.__file__).is_relative_to(package_folder())


def test_folder_that_was_deleted_is_left_alone(tmp_path):
    """A parent may sit where nothing is any more."""
    code = (
        "import os; os.rmdir(os.getcwd())\n"
        "from flowgraph.runtime.setting import Setting\n"
        "setting = Setting.here(); setting.apply(); print(setting.folder)"
    )
    (tmp_path / "folder").mkdir()
    env = {**os.environ, "PYTHONPATH": package_folder()}
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, cwd=tmp_path / "folder", env=env) == b"None\n"
