"""An embedded Kubernetes API as a process; the tests themselves play its controllers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.client.exchange import Exchange
from harness.ledger.book import ClientBook
from harness.platforms.platform import Endpoints, ModelHandle, Parameters, Platform
from harness.world.caller import Wire
from harness.world.estate import Estate
from harness.world.world import World

ROOT = Path(__file__).resolve().parents[2]


class KeptRecorder:
    """Keeps what a check would have written into the journal."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.characteristics: dict[str, float] = {}

    def exchange(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)

    def characteristic(self, name: str, value: float, unit: str) -> None:
        self.characteristics[name] = value


def model(name: str) -> ModelHandle:
    return ModelHandle(
        name=name, namespace="llm", model_id=f"publishers/llm/models/{name}", path=f"/llm/{name}", served_name=name
    )


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("kubeapi")
    ready = folder / "ready.json"
    crds = [part for path in sorted((ROOT / "fixtures" / "crds").iterdir()) for part in ("--crds", str(path))]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.simulator.kubeapi", "--dir", str(folder), "--ready-file", str(ready), *crds],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(1000):
            if ready.exists():
                assert json.loads(ready.read_text())["endpoints"]["api"].startswith("https://")
                break
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"the Kubernetes API ended with {process.returncode}")
        yield folder / "admin.kubeconfig"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="session")
def estate(kubeconfig) -> Iterator[Estate]:
    platform = Platform(
        target="embedded",
        stack="reference",
        endpoints=Endpoints(gateway="http://127.0.0.1:1", management="http://127.0.0.1:1/maas-api"),
        kubeconfig=kubeconfig,
        models=(model("open"), model("closed")),
        parameters=Parameters(ready_bound_s=1),
        provides={"kube": True},
    )
    made = Estate(platform, run_id="testrun")
    for name in ("llm", "models-as-a-service"):
        made.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield made
    made.close()


@pytest.fixture
def recorder() -> KeptRecorder:
    return KeptRecorder()


@pytest.fixture
def world(estate, recorder) -> Iterator[World]:
    made = World(estate, Wire(estate.platform, estate.client, recorder, ClientBook()))
    yield made
    made.remove()
