"""GraphiQL's page and files: nothing from elsewhere, nothing inline, and plain words when it is not built."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from starlette.applications import Starlette

from server.graphiql import build
from server.graphiql.assets import LICENSES, OWN, PACKAGED, SOURCE, Manifest, source_digest
from server.graphiql.page import Graphiql, content_security_policy
from server.wire import GraphQLApp
from tests.wire.toy import PATH, make_context, make_schema

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build makes of packages that hold a line each."""
    packages = tmp_path_factory.mktemp("node_modules")
    for path in (*(path for _, path in PACKAGED), *LICENSES):
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).write_text(f"/* {path} */")
    return build.assemble(packages, packages / "dist", source_digest())


@asynccontextmanager
async def browser(graphiql: Graphiql | None) -> AsyncIterator[httpx.AsyncClient]:
    view = GraphQLApp(make_schema(), make_context=make_context, graphiql=graphiql)
    transport = httpx.ASGITransport(Starlette(routes=view.routes()))
    async with httpx.AsyncClient(transport=transport, base_url="http://toy:8000", headers=BROWSER) as client:
        yield client


async def test_the_page_loads_nothing_but_its_own_files(dist: Path) -> None:
    async with browser(Graphiql(dist=dist, first_query='{ hello(name: "<b>") }')) as client:
        page = await client.get(PATH)
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert 'data-first-query="{ hello(name: &quot;&lt;b&gt;&quot;) }"' in page.text
        assert "<script>" not in page.text
        assert "<style" not in page.text
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        addresses.remove("data:,")  # no icon, rather than a request for one
        assert len(addresses) == len(PACKAGED) + len(OWN)
        for address in addresses:
            assert (await client.get("/" + address)).status_code == 200


async def test_the_policy_lets_nothing_else_in(dist: Path) -> None:
    async with browser(Graphiql(dist=dist)) as client:
        pages = [await client.get(PATH) for _ in range(2)]
    policies = [page.headers["content-security-policy"] for page in pages]
    assert "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-" in policies[0]
    assert "connect-src 'self' ws://toy:8000 wss://toy:8000; " in policies[0]
    assert "unsafe" not in policies[0]
    nonces = [re.findall(r"'nonce-([\w-]+)'", policy)[0] for policy in policies]
    assert nonces[0] != nonces[1]
    assert f'data-nonce="{nonces[0]}"' in pages[0].text


@pytest.mark.parametrize("host", ["", "evil; script-src *", "a b", "x:123456", "[::1"])
def test_an_odd_host_does_not_reach_the_policy(host: str) -> None:
    assert "connect-src 'self'; " in content_security_policy(host, nonce="n")


def test_an_address_is_a_host_too() -> None:
    assert "ws://[::1]:8000 " in content_security_policy("[::1]:8000", nonce="n")


async def test_files_may_be_kept_for_ever(dist: Path) -> None:
    manifest = Manifest.read(dist)
    assert manifest
    async with browser(Graphiql(dist=dist)) as client:
        for name in manifest.files:
            plain = await client.get(f"{PATH}/assets/{name}", headers={"Accept-Encoding": "identity"})
            packed = await client.get(f"{PATH}/assets/{name}", headers={"Accept-Encoding": "gzip, br"})
            assert plain.content == packed.content == (dist / name).read_bytes()
            assert "content-encoding" not in plain.headers
            assert packed.headers["content-encoding"] == "gzip"
            assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert plain.headers["content-type"].startswith(
                "text/css" if name.endswith("css") else "text/java"
            )
            assert plain.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["graphiql.js", "manifest.json", "..%2Fpage.py", "%2e%2e/page.py"])
async def test_no_other_file_is_served(dist: Path, name: str) -> None:
    async with browser(Graphiql(dist=dist)) as client:
        assert (await client.get(f"{PATH}/assets/{name}")).status_code == 404


async def test_says_how_to_build_what_was_not_built(tmp_path: Path, dist: Path) -> None:
    later = tmp_path / "dist"
    async with browser(Graphiql(dist=later)) as client:
        page = await client.get(PATH)
        assert (page.status_code, page.headers["content-type"]) == (503, "text/plain; charset=utf-8")
        assert "python -m server.graphiql.build" in page.text
        assert (await client.get(f"{PATH}/assets/graphiql.js")).status_code == 404
        build.replace(later, dist)
        assert (await client.get(PATH)).status_code == 200


async def test_off_means_404(client: httpx.AsyncClient) -> None:
    page = await client.get(PATH, headers=BROWSER)
    assert page.status_code == 404
    assert page.json()["errors"][0]["extensions"] == {"code": "BAD_REQUEST"}
    assert (await client.get(f"{PATH}/assets/graphiql.js")).status_code == 404


async def test_a_query_by_address_is_answered_even_in_a_browser(dist: Path) -> None:
    async with browser(Graphiql(dist=dist)) as client:
        answer = await client.get(PATH, params={"query": "{ hello }"})
    assert answer.json() == {"data": {"hello": "hello world"}}


def test_the_lock_names_hashes_and_no_hosts() -> None:
    wanted = json.loads((SOURCE / "package.json").read_text())["dependencies"]
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    assert "://" not in json.dumps([package.get("resolved") for package in lock["packages"].values()])
    for path, package in lock["packages"].items():
        assert path == "" or package["integrity"].startswith("sha512-")
    for name, version in wanted.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version


def test_the_build_is_idle_when_nothing_changed(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no npm, so that anything but idling fails
    assert build.build(Console(quiet=True), dist=dist) is False


def test_half_a_build_is_none(tmp_path: Path, dist: Path) -> None:
    build.replace(tmp_path / "dist", dist)
    assert Manifest.read(tmp_path / "dist") == Manifest.read(dist)
    next((tmp_path / "dist").glob("*.css")).unlink()
    assert Manifest.read(tmp_path / "dist") is None
    (tmp_path / "dist" / "manifest.json").write_text("[]")
    assert Manifest.read(tmp_path / "dist") is None


def test_a_failing_npm_is_told_in_its_own_words(tmp_path: Path) -> None:
    npm = ["sh", "-c", "echo 'npm error code EINTEGRITY' >&2; exit 1"]
    with pytest.raises(build.BuildError, match="EINTEGRITY"):
        build.install(npm, tmp_path)
    with pytest.raises(build.BuildError, match="cannot be built"):
        build.install([str(tmp_path / "missing")], tmp_path)


def test_gzipped_files_are_the_same_everywhere(dist: Path) -> None:
    """No time of build within, so that two builds of one source are equal."""
    for packed in dist.glob("*.gz"):
        assert gzip.compress(gzip.decompress(packed.read_bytes()), mtime=0) == packed.read_bytes()
