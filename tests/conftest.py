"""Real parts, started once for the whole run; each test finds the house empty."""

from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from argon2 import PasswordHasher
from stripe import HTTPClient

from domain.identity import passwords

# Before the first import of it: its asserts then tell what was compared.
pytest.register_assert_rewrite("tests.house")

from tests.house import House, Parts  # noqa: E402

REAL_HASHER = passwords._HASHER

# Without the values of every variable in a traceback, which take seconds to print.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.fixture(scope="session")
def parts() -> Iterator[Parts]:
    with Parts.started() as parts:
        yield parts


@pytest.fixture(scope="session")
async def open_house(parts: Parts, quick_hashes: None, quick_repeats: None) -> AsyncIterator[House]:
    async with House.open(parts) as house:
        yield house


@pytest.fixture(scope="session")
def quick_hashes() -> Iterator[None]:
    """Passwords are hashed at the least cost: most tests sign people up, and few are about that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        yield


@pytest.fixture(scope="session")
def quick_repeats() -> Iterator[None]:
    """What only reads is asked again soon: a fault that outlasts all tries takes more than a second else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HTTPClient, "INITIAL_DELAY", 0.02)
        yield


@pytest.fixture
def real_hashes(open_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed at the cost that the product has chosen."""
    monkeypatch.setattr(passwords, "_HASHER", REAL_HASHER)


@pytest.fixture
async def house(open_house: House) -> AsyncIterator[House]:
    """The house, empty. Afterwards every word exchanged with Stripe must have been as Stripe specifies."""
    await open_house.sweep_clean()
    yield open_house
    assert open_house.sandbox.recorder.violations == []
    assert open_house.deliveries.violations == []
