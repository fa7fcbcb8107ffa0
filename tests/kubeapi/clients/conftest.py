"""Each client in its ordinary life, against the server that `MAAS_BLACKBOX_KUBECONFIG` names or the embedded one with the project's CRDs."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubeapi.connection import connect
from tests.kubeapi.serving import given_or_embedded_api

CRDS = Path(__file__).parents[3] / "fixtures" / "crds"


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    options = [option for folder in sorted(CRDS.iterdir()) for option in ("--crds", str(folder))]
    with given_or_embedded_api(tmp_path_factory.mktemp("kubeapi"), *options) as started:
        yield started


@pytest.fixture
def namespace(kubeconfig: Path) -> Iterator[str]:
    name = f"client-{uuid.uuid4().hex[:12]}"
    with connect(kubeconfig) as client:
        client.post(
            "/api/v1/namespaces", json={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        ).raise_for_status()
        yield name
        client.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def model(namespace: str) -> dict:
    """A MaaSModelRef in that namespace."""
    return {
        "apiVersion": "maas.opendatahub.io/v1alpha1",
        "kind": "MaaSModelRef",
        "metadata": {"name": "granite", "namespace": namespace, "labels": {"team": "red"}},
        "spec": {"modelRef": {"kind": "LLMInferenceService", "name": "granite"}},
    }
