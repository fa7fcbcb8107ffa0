"""Fixtures of the management API's tests."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.simulator.maas_api.quirks import UPSTREAM
from tests.kubeapi.connection import connect
from tests.kubeapi.serving import embedded_api

from .instance import Instance
from .postgresql import server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "row(*ids): rows of the requirement catalogue that the test shows on the reference platform"
    )


CRDS = Path(__file__).parents[2] / "fixtures" / "crds"


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    options = [part for name in ("maas", "gateway-api") for part in ("--crds", str(CRDS / name))]
    with embedded_api(tmp_path_factory.mktemp("kubeapi"), *options) as started:
        yield started


@pytest.fixture(scope="session")
def kube(kubeconfig: Path) -> Iterator[httpx.Client]:
    with connect(kubeconfig) as client:
        for namespace in ("llm", "openshift-ingress"):
            client.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).raise_for_status()
        yield client


@pytest.fixture
def namespace(kube: httpx.Client) -> str:
    """A subscription namespace of the test's own."""
    name = f"subs-{uuid.uuid4().hex[:8]}"
    kube.post("/api/v1/namespaces", json={"metadata": {"name": name}}).raise_for_status()
    return name


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
