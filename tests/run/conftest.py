"""Small programs to keep alive."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.processes import Program

Dummy = Callable[..., Program]
IMPORTS = "import pathlib, signal, sys, time"


@pytest.fixture
def dummy(tmp_path: Path) -> Dummy:
    """Makes programs of Python code. They are ready once they have touched the file named in argv[1]."""

    def make(name: str, code: str = "") -> Program:
        touched = tmp_path / f"{name}.ready"
        source = f"{IMPORTS}\n{code}\npathlib.Path(sys.argv[1]).touch()\nsignal.pause()"
        command = (sys.executable, "-c", source, str(touched))
        return Program(name, command, tmp_path / f"{name}.log", touched.exists)

    return make
