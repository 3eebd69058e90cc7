"""Runs the Python blocks of README.md and docs/ as tests."""

from __future__ import annotations

import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md"],
).pytest()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put each page's blocks back in order: they build on one another, and were shuffled."""
    places = [place for place, item in enumerate(items) if isinstance(item, SybilItem)]
    blocks = sorted((items[place] for place in places), key=_page_and_line)
    for place, block in zip(places, blocks, strict=True):
        items[place] = block


def _page_and_line(item: pytest.Item) -> tuple[str, int]:
    return str(item.path), item.example.line
