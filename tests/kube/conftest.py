import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.kube.cluster import Cluster
from harness.platforms.embedded.kube_only import KubernetesOnly, kube_only
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.target import TargetOptions


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesOnly]:
    """The embedded Kubernetes API: these tests drive it over TLS, with the official client."""
    before = os.environ.get(STATE_HOME_VARIABLE)
    os.environ[STATE_HOME_VARIABLE] = str(tmp_path_factory.mktemp("state"))
    try:
        with kube_only(TargetOptions(), lambda line: None) as running:
            yield running
    finally:
        if before is None:
            del os.environ[STATE_HOME_VARIABLE]
        else:
            os.environ[STATE_HOME_VARIABLE] = before


@pytest.fixture(scope="module")
def cluster(api: KubernetesOnly) -> Cluster:
    return Cluster.connect(api.kubeconfig)


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    name = "ns-" + "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())[:50].strip("-")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    return tmp_path / "manifests"
