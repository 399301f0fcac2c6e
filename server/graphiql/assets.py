"""What GraphiQL's page is made of: where each file comes from, and the manifest that says what was built."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent
DIST: Final = SOURCE / "dist"
MANIFEST: Final = "manifest.json"

# In loading order: GraphiQL takes React from the page, the explorer takes GraphiQL.
PACKAGED: Final = (
    ("react.js", "react/umd/react.production.min.js"),
    ("react-dom.js", "react-dom/umd/react-dom.production.min.js"),
    ("graphql-ws.js", "graphql-ws/umd/graphql-ws.min.js"),
    ("graphiql-core.js", "graphiql/graphiql.min.js"),
    ("explorer.js", "@graphiql/plugin-explorer/dist/index.umd.js"),
    ("graphiql-core.css", "graphiql/graphiql.min.css"),
    ("explorer.css", "@graphiql/plugin-explorer/dist/style.css"),
)
OWN: Final = ("graphiql.js", "graphiql.css")
PINNED: Final = ("package.json", "package-lock.json", ".npmrc")
LICENSES: Final = (
    "react/LICENSE",
    "react-dom/LICENSE",
    "graphql-ws/LICENSE.md",
    "graphiql/LICENSE",
    "@graphiql/plugin-explorer/node_modules/graphiql-explorer/LICENSE",
)
LICENSES_FILE: Final = "licenses.txt"


@dataclass(frozen=True)
class Manifest:
    """What dist holds: `digest` of the sources that it was built from, and the files in loading order."""

    digest: str
    files: tuple[str, ...]

    def write(self, folder: Path) -> None:
        text = json.dumps({"digest": self.digest, "files": self.files}, indent=2)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Manifest | None":
        """None when nothing was built there, or only half of it."""
        try:
            raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            manifest = cls(digest=raw["digest"], files=tuple(raw["files"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return manifest if all((folder / name).is_file() for name in manifest.files) else None


def source_digest(source: Path = SOURCE) -> str:
    """Changes with every file that the build reads."""
    digest = hashlib.sha256()
    for name in (*PINNED, *OWN, "assets.py", "build.py"):
        content = (source / name).read_bytes()
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def digested(name: str, content: bytes) -> str:
    """`graphiql.js` as `graphiql.0123456789ab.js`: an address that never means other content."""
    path = Path(name)
    return f"{path.stem}.{hashlib.sha256(content).hexdigest()[:12]}{path.suffix}"
