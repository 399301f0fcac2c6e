"""The HTML of the sandbox's pages: small, self-contained, without JavaScript."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse

_STYLE = """
:root { color-scheme: light dark; --ink: #1a1f36; --soft: #5b6472; --line: #d5dbe3; --back: #f6f9fc;
  --card: #fff; --accent: #635bff; --good: #0e6245; --bad: #a41c4e }
@media (prefers-color-scheme: dark) { :root { --ink: #f0f2f7; --soft: #a3acb9; --line: #2f3747;
  --back: #0d1220; --card: #171d2e; --good: #4fd1a1; --bad: #ff8fb3 } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--back);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { width: min(30rem, calc(100vw - 2rem)); box-sizing: border-box; padding: 2rem; border-radius: 12px;
  margin: 1rem 0; border: 1px solid var(--line); background: var(--card);
  box-shadow: 0 8px 24px rgb(0 0 0 / 8%) }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; overflow-wrap: anywhere }
h2 { margin: 1.5rem 0 .25rem; font-size: 1rem }
dl { display: grid; grid-template-columns: 1fr auto; gap: .25rem 1rem; margin: .25rem 0 1.25rem }
dt { color: var(--soft) } dd { margin: 0; font-variant-numeric: tabular-nums; text-align: right }
p { margin: .25rem 0 1.25rem; color: var(--soft); overflow-wrap: anywhere }
p.good { color: var(--good) } p.bad { color: var(--bad) }
form { display: grid; gap: .6rem; margin-bottom: 1.25rem }
button { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem;
  padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 8px; background: none; color: inherit;
  font: inherit; cursor: pointer; text-align: left }
form:first-of-type button:first-child { background: var(--accent); border-color: var(--accent); color: #fff }
button:hover, button:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
small { opacity: .85; font-variant-numeric: tabular-nums; white-space: nowrap } a { color: inherit }
footer { margin-top: 1.5rem; font-size: .8rem; color: var(--soft); overflow-wrap: anywhere }
@media (max-width: 32rem) { main { padding: 1.5rem } button { display: grid; gap: 0 } }
"""

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True)
class Choice:
    """A button, and what it posts."""

    value: str
    label: str
    note: str = ""


def page(title: str, *parts: str, status: int = 200) -> HTMLResponse:
    """`parts` are HTML already."""
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(title)} (sandbox)</title><style>{_STYLE}</style><main>{''.join(parts)}</main></html>",
        status,
        headers=_HEADERS,
    )


def heading(text: str) -> str:
    return f"<h1>{_text(text)}</h1>"


def subheading(text: str) -> str:
    return f"<h2>{_text(text)}</h2>"


def paragraph(text: str) -> str:
    return f"<p>{_text(text)}</p>"


def good_news(text: str) -> str:
    return f'<p class="good" role="status">{_text(text)}</p>'


def bad_news(text: str) -> str:
    return f'<p class="bad" role="alert">{_text(text)}</p>'


def link(address: str, text: str) -> str:
    return f'<p><a href="{_text(address)}">{_text(text)}</a></p>'


def buttons(name: str, choices: Sequence[Choice]) -> str:
    """A form of one field."""
    shown = "".join(
        f'<button name="{_text(name)}" value="{_text(choice.value)}"><span>{_text(choice.label)}</span>'
        f"<small>{_text(choice.note)}</small></button>"
        for choice in choices
    )
    return f'<form method="post">{shown}</form>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """What is what, one a line."""
    shown = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in pairs)
    return f"<dl>{shown}</dl>"


def footer(text: str) -> str:
    return f"<footer>{_text(text)}</footer>"


def not_found() -> HTMLResponse:
    return page(
        "Not found", heading("Not found"), paragraph("There is nothing to do here, or no longer."), status=404
    )


async def posted(request: Request) -> dict[str, str]:
    """What a form of a page sent."""
    fields = parse_qs((await request.body()).decode(errors="replace"))
    return {name: values[-1] for name, values in fields.items()}


def _text(text: str) -> str:
    return html.escape(text)
