"""The embedded Kubernetes API with every CRD of the project, or the API that MAAS_BLACKBOX_KUBECONFIG names."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.kubeapi.connection import connect
from tests.kubeapi.serving import embedded_api

from .kinds import Kinds

FOLDERS = sorted(path for path in (Path(__file__).parents[2] / "fixtures" / "crds").iterdir() if path.is_dir())
_numbers = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "row(*ids): rows of the requirement catalogue that the test shows on the reference platform"
    )


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client with all rights."""
    given = os.environ.get("MAAS_BLACKBOX_KUBECONFIG")
    if given:
        with connect(Path(given)) as client:
            yield client
        return
    options = [part for folder in FOLDERS for part in ("--crds", str(folder))]
    with embedded_api(tmp_path_factory.mktemp("kubeapi"), *options) as kubeconfig, connect(kubeconfig) as client:
        yield client


@pytest.fixture
def kinds(server: httpx.Client, worker_id: str) -> Iterator[Kinds]:
    """The project's kinds in a namespace of the test's own."""
    namespace = f"crds-{os.getpid()}-{worker_id}-{next(_numbers)}"
    server.post("/api/v1/namespaces", json={"metadata": {"name": namespace}}).raise_for_status()
    yield Kinds(server, namespace)
    server.delete(f"/api/v1/namespaces/{namespace}")
