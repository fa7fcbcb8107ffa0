"""Which server the suite judges: `MAAS_BLACKBOX_KUBECONFIG`, else the embedded one, started for this test session."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.kubeapi.blackbox.api import Collection
from tests.kubeapi.connection import connect
from tests.kubeapi.serving import eventually, given_or_embedded_api

HERE = Path(__file__).parent
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of a server that may be written to."""
    with given_or_embedded_api(tmp_path_factory.mktemp("kubeapi")) as started:
        yield started


@pytest.fixture(scope="session")
def server(kubeconfig: Path) -> Iterator[httpx.Client]:
    """A client with all rights, and the suite's kinds established."""
    with connect(kubeconfig) as client:
        for crd in yaml.safe_load_all((HERE / "widgets.yaml").read_text(encoding="utf-8")):
            path = f"{CRDS}/{crd['metadata']['name']}"
            Collection(client, CRDS).apply(crd, "blackbox", force="true").raise_for_status()
            eventually(lambda path=path: established(client.get(path).json()), f"{path} is established")
        yield client


def established(crd: dict[str, Any]) -> bool:
    """Whether a definition is served."""
    conditions = crd.get("status", {}).get("conditions") or []  # a cluster says null for a moment
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


@pytest.fixture(scope="session")
def whole(server: httpx.Client) -> httpx.Client:
    """A server with built-in kinds. One that serves custom resources alone is judged by the rest of the suite."""
    if server.get("/api/v1").status_code == httpx.codes.NOT_FOUND:
        pytest.skip("this server has no built-in kinds")
    return server


@pytest.fixture
def namespace(server: httpx.Client) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"blackbox-{uuid.uuid4().hex[:12]}"
    made = server.post("/api/v1/namespaces", json={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    if made.is_success:
        server.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def widgets(server: httpx.Client, namespace: str) -> Collection:
    """Widgets in that namespace."""
    return Collection(server, f"/apis/blackbox.example.com/v1/namespaces/{namespace}/widgets")


@pytest.fixture
def planets(server: httpx.Client) -> Collection:
    """Planets of the whole cluster: give them unique names."""
    return Collection(server, "/apis/blackbox.example.com/v1/planets")


@pytest.fixture
def configmaps(whole: httpx.Client, namespace: str) -> Collection:
    """ConfigMaps in that namespace."""
    return Collection(whole, f"/api/v1/namespaces/{namespace}/configmaps")


_numbers = itertools.count()


@pytest.fixture
def widget() -> Callable[..., dict[str, Any]]:
    """A maker of widgets: `widget("name", size=3)`."""

    def make(name: str | None = None, **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "blackbox.example.com/v1",
            "kind": "Widget",
            "metadata": {"name": name or f"w{next(_numbers)}"},
            "spec": spec,
        }

    return make
