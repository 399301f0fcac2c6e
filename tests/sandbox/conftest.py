from collections.abc import AsyncIterator, Iterator

import pytest

from sandbox.stripe import SandboxConfig, WebhookEndpointConfig
from tests.sandbox.running import (
    CONNECT_SECRET,
    PLATFORM_SECRET,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    Receiver,
    Running,
    running,
    served,
)


@pytest.fixture(scope="session")
def served_receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with served(receiver.app()) as url:
        receiver.url = url
        yield receiver


@pytest.fixture(scope="session")
def config(served_receiver: Receiver) -> SandboxConfig:
    return SandboxConfig(
        database=None,
        secret_key=SECRET_KEY,
        publishable_key=PUBLISHABLE_KEY,
        webhooks=(
            WebhookEndpointConfig(f"{served_receiver.url}/platform", PLATFORM_SECRET),
            WebhookEndpointConfig(f"{served_receiver.url}/connect", CONNECT_SECRET, connect=True),
        ),
        delivery_retry_s=(0.02, 0.05, 3600.0),
        seed=1,
    )


@pytest.fixture(scope="session")
async def one_for_all(config: SandboxConfig) -> AsyncIterator[Running]:
    async with running(config) as sandbox:
        yield sandbox


@pytest.fixture
async def sandbox(one_for_all: Running, served_receiver: Receiver) -> AsyncIterator[Running]:
    """Empty. Whatever it answers and sends in the test must be as Stripe's specification says."""
    await one_for_all.reset()
    served_receiver.forget()
    yield one_for_all
    found = one_for_all.recorder.violations + served_receiver.violations
    assert found == []


@pytest.fixture
def receiver(sandbox: Running, served_receiver: Receiver) -> Receiver:
    """Where the webhooks of `sandbox` arrive."""
    return served_receiver
