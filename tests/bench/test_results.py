"""Tables in pages are those that their JSON files make."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from latentlink.bench.against import report
from latentlink.bench.cost import growth
from tests.bench.pages import with_table

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TABLES = [(page, name) for page in PAGES for name in re.findall(r"<!-- bench: (\S+) -->", page.read_text())]


@pytest.mark.parametrize(("page", "name"), TABLES, ids=lambda value: str(value).rpartition("/")[2])
def test_a_table_is_the_one_of_its_file(page: Path, name: str) -> None:
    text = page.read_text(encoding="utf-8")
    found = json.loads((ROOT / name).read_text(encoding="utf-8"))
    table = growth.markdown if found["kind"] == growth.KIND else report.markdown
    assert with_table(text, name, table(found)) == text
