"""A Kubernetes API and the kubelet stand-in as processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.controllers.client import Client
from tests.controllers.conftest import Running, kubeconfig

__all__ = ["kubeconfig"]


@dataclass(frozen=True)
class Node:
    """What contract tests stand on."""

    client: Client
    folder: Path


@pytest.fixture(scope="session")
def node(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("kubelet")
    kubelet = Running(
        "harness.simulator.kubelet", folder, "--kubeconfig", str(kubeconfig), "--dir", str(folder / "work")
    ).wait()
    yield Node(Client(kubeconfig), folder / "work")
    kubelet.stop()
