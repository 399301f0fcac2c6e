"""GraphiQL's page and its files, all from this origin, under a policy that lets nothing else in."""

import re
import secrets
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from server.graphiql.assets import DIST, Manifest

FIRST_QUERY: Final = """\
# Ctrl-Enter runs this, Ctrl-Space completes.
# On the left: documentation, history, and an
# explorer that writes queries by clicks.
#
# To act as somebody, sign in and put the access
# token into the Headers tab below:
#   { "Authorization": "Bearer ..." }
# It speaks for you in subscriptions too, and is
# forgotten with the tab.

query FirstLook {
  __schema {
    queryType {
      fields {
        name
        description
      }
    }
  }
}
"""

NOT_BUILT: Final = """\
GraphiQL has not been built on this server.

Build it once, then load this page again:

    python -m server.graphiql.build

The API itself is up: send queries by POST, with Content-Type: application/json.
"""

# Styles: GraphiQL's dialogs add one <style> element as they open, and it carries the nonce.
# Fonts and pictures: its style sheet carries them as data: addresses.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; font-src data:; "
    "img-src 'self' data:; connect-src {connect}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HOST: Final = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
_TYPES: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_FOREVER: Final = "public, max-age=31536000, immutable"
_SAFETY: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True)
class _Asset:
    plain: bytes
    gzipped: bytes
    media_type: str


class Graphiql:
    """The page and its files, held in memory once they are there; about 2.4 MB."""

    def __init__(self, *, first_query: str = FIRST_QUERY, dist: Path = DIST) -> None:
        self._first_query = first_query
        self._dist = dist
        self._assets: dict[str, _Asset] = {}

    def page(self, request: Request) -> Response:
        """The page; 503 and how to build it while there is nothing to serve."""
        if not self._load():
            return PlainTextResponse(NOT_BUILT, 503, {"Cache-Control": "no-store"} | _SAFETY)
        # A relative address survives a proxy that adds a prefix.
        base = request.url.path.rstrip("/").rsplit("/", maxsplit=1)[-1] + "/assets/"
        nonce = secrets.token_urlsafe(16)
        html = _html(base, list(self._assets), nonce=nonce, first_query=self._first_query)
        headers = {
            "Content-Security-Policy": content_security_policy(request.headers.get("host", ""), nonce=nonce),
            "Cache-Control": "no-store",
            "Vary": "Accept",
        }
        return HTMLResponse(html, 200, headers | _SAFETY)

    async def asset(self, request: Request) -> Response:
        """One file, which never changes under its name; 404 for any other."""
        self._load()
        asset = self._assets.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse("Not found\n", 404, _SAFETY)
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"} | _SAFETY
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(asset.gzipped, 200, headers, asset.media_type)
        return Response(asset.plain, 200, headers, asset.media_type)

    def _load(self) -> bool:
        """Read dist unless that was done; it may also be built while the server runs."""
        if not self._assets and (manifest := Manifest.read(self._dist)):
            self._assets = {
                name: _Asset(
                    plain=(self._dist / name).read_bytes(),
                    gzipped=(self._dist / f"{name}.gz").read_bytes(),
                    media_type=_TYPES[Path(name).suffix],
                )
                for name in manifest.files
            }
        return bool(self._assets)


def content_security_policy(host: str, *, nonce: str) -> str:
    """The page's policy. Not every browser reads 'self' as covering ws: too, so the host is named as well."""
    connect = "'self'"
    if _HOST.fullmatch(host):
        connect += f" ws://{host} wss://{host}"
    return _POLICY.format(connect=connect, nonce=nonce)


def _html(base: str, names: list[str], *, nonce: str, first_query: str) -> str:
    styles = "".join(
        f'<link rel="stylesheet" href="{escape(base + name)}">\n' for name in names if name.endswith(".css")
    )
    scripts = "".join(
        f'<script defer src="{escape(base + name)}"></script>\n' for name in names if name.endswith(".js")
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GraphiQL</title>
<link rel="icon" href="data:,">
{styles}{scripts}</head>
<body>
<div id="graphiql" data-nonce="{nonce}" data-first-query="{escape(first_query)}">
<p class="notice">Loading GraphiQL ...</p>
<noscript><p class="notice">GraphiQL needs JavaScript.</p></noscript>
</div>
</body>
</html>
"""
