"""What travels by value and what by name."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
import sysconfig

import pytest

from flowgraph.compiler.modules import is_installed
from flowgraph.compiler.shipping import dumps


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Imports a new module from a folder that it makes."""

    def from_folder(name, *folder):
        place = tmp_path.joinpath(*folder)
        place.mkdir(parents=True)
        (place / f"{name}.py").write_text("def f(x):\n    return x\n")
        monkeypatch.syspath_prepend(place)
        return importlib.import_module(name)

    yield from_folder
    for name in ("fg_own", "fg_user_site", "fg_debian"):
        sys.modules.pop(name, None)


def travels_by_name(function) -> bool:
    return pickle.loads(dumps(function)) is function


def test_a_module_of_the_users_own_travels_by_value(imported):
    assert not travels_by_name(imported("fg_own", "project").f)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("fg_user_site", (".local", "lib", "python3.11", "site-packages")),
        ("fg_debian", ("lib", "python3", "dist-packages")),
    ],
)
def test_an_installed_package_travels_by_name_wherever_it_is_installed(imported, name, folder):
    assert travels_by_name(imported(name, *folder).f)


def test_a_folder_whose_name_begins_like_the_installations_is_not_the_installation():
    library = sysconfig.get_path("stdlib")
    assert is_installed(os.path.join(library, "json", "decoder.py"))
    assert not is_installed(os.path.join(f"{library}-extra", "pipeline.py"))
