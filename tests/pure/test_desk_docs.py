"""Every query of docs/desk.md can be asked: the schema knows its fields and arguments."""

import re
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

ROOT = Path(__file__).parents[2]
QUERIES = re.findall(
    r"^query.*?(?=^query|\Z)",
    "\n".join(re.findall(r"```graphql\n(.*?)```", (ROOT / "docs/desk.md").read_text(), re.DOTALL)),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_page_can_be_asked(query: str) -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert validate(schema, parse(query)) == []


def test_there_are_queries() -> None:
    assert len(QUERIES) >= 14
