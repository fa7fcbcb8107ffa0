"""Fixtures of the management API's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.simulator.maas_api.quirks import UPSTREAM

from .instance import Instance
from .postgresql import server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "row(*ids): rows of the requirement catalogue that the test shows on the reference platform"
    )


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server of this test process."""
    with server() as url:
        yield url


@pytest.fixture
def make_instance(tmp_path: Path) -> Iterator[Callable[..., Instance]]:
    """Start instances with settings of the test's choice."""
    running: list[Instance] = []

    def make(**settings: Any) -> Instance:
        running.append(Instance(tmp_path / f"keys-{len(running)}.db", **settings))
        return running[-1]

    yield make
    for instance in running:
        instance.close()


@pytest.fixture
def maas(make_instance: Callable[..., Instance]) -> Instance:
    """One instance with the safe answers."""
    return make_instance()


@pytest.fixture
def upstream(make_instance: Callable[..., Instance]) -> Instance:
    """One instance that repeats upstream's weaknesses."""
    return make_instance(quirks=UPSTREAM)


@pytest.fixture
def alice(maas: Instance) -> httpx.Client:
    """A caller who owns the subscription `basic` of the model m1 and may call it."""
    maas.model("m1")
    maas.subscription("basic", ["m1"], users=("alice",))
    maas.policy("access", ["m1"], users=("alice",))
    return maas.caller("alice")
