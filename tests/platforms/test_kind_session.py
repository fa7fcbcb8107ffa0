"""A kind cluster from preflight to deletion, with stand-ins for `kind` and `docker` on the PATH and the embedded API as the cluster."""

import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from harness.kube.cluster import Cluster
from harness.kube.manifest import Ref
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.embedded.kube_only import KubernetesOnly, kube_only
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.pins import PinnedFiles, obtain
from harness.platforms.remains import sweep_dead_runs
from harness.platforms.target import TargetOptions, open_target
from tests.issuer.stand_in import standing_in

STUB = textwrap.dedent(
    """\
    #!{python}
    import json, os, shutil, sys
    name = os.path.basename(sys.argv[0])
    with open(os.environ["STUB_JOURNAL"], "a") as journal:
        journal.write(json.dumps([name, *sys.argv[1:]]) + "\\n")
    words = sys.argv[1:]
    if os.environ.get("STUB_FAILS") and " ".join([name, *words]).startswith(os.environ["STUB_FAILS"]):
        sys.exit("ERROR: the stub was told to fail")
    if name == "docker" and words[0] == "version":
        print("28.0.0")
    if name == "docker" and words[:2] == ["image", "ls"]:
        print("0123456789ab")
    if name == "docker" and words[0] == "run" and os.environ.get("STUB_CAPS") == "refused":
        sys.exit("docker: Error response from daemon: unable to apply caps: operation not permitted")
    if name == "kind" and words == ["version"]:
        print("kind v0.30.0")
    if name == "kind" and words[:2] == ["create", "cluster"]:
        shutil.copy(os.environ["STUB_KUBECONFIG"], words[words.index("--kubeconfig") + 1])
    """
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubernetesOnly]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_HOME_VARIABLE, str(tmp_path_factory.mktemp("state")))
        with kube_only(TargetOptions(), lambda line: None) as running:
            yield running


class Stubs:
    def __init__(self, folder: Path, kubeconfig: Path, patch: pytest.MonkeyPatch) -> None:
        self.journal = folder / "journal"
        binaries = folder / "bin"
        binaries.mkdir()
        for name in ("kind", "docker"):
            path = binaries / name
            path.write_text(STUB.format(python=sys.executable))
            path.chmod(path.stat().st_mode | stat.S_IEXEC)
        patch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("STUB_JOURNAL", str(self.journal))
        patch.setenv("STUB_KUBECONFIG", str(kubeconfig))

    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()] if self.journal.exists() else []

    def named(self, *words: str) -> list[list[str]]:
        return [call for call in self.calls() if call[: len(words)] == list(words)]


@pytest.fixture
def stubs(tmp_path: Path, api: KubernetesOnly, monkeypatch: pytest.MonkeyPatch) -> Stubs:
    return Stubs(tmp_path, api.kubeconfig, monkeypatch)


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An air-gap bundle whose digests are pinned."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    files = {}
    for path in sorted((Path(__file__).parents[2] / "fixtures" / "crds" / "gateway-api").glob("*.yaml")):
        (folder / path.name).write_bytes(path.read_bytes())
        files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    pinned = PinnedFiles(version="v1.3.0", licence="Apache-2.0", base="https://example.invalid/", files=files)
    from harness.platforms import pins

    real = pins.pins()
    monkeypatch.setattr("harness.platforms.kind.plan.pins", lambda: real.model_copy(update={"gateway_api": pinned}))
    return folder


@pytest.fixture
def nodes(api: KubernetesOnly) -> Iterator[None]:
    """What kubelet and controllers of a real cluster would report: Deployments Available, the world in force."""
    stopped = threading.Event()

    def report() -> None:
        with Cluster.connect(api.kubeconfig) as cluster:
            while not stopped.wait(0.1):
                for deployment in cluster.objects("apps/v1", "Deployment"):
                    said = {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": ""}
                    cluster.patch(Ref.of(deployment), {"status": {"conditions": [said]}}, subresource="/status")
                for kind, phase in (
                    ("MaaSModelRef", "Ready"),
                    ("MaaSAuthPolicy", "Active"),
                    ("MaaSSubscription", "Active"),
                ):
                    for entry in cluster.objects("maas.opendatahub.io/v1alpha1", kind):
                        cluster.patch(Ref.of(entry), {"status": {"phase": phase}}, subresource="/status")

    thread = threading.Thread(target=report)
    thread.start()
    yield
    stopped.set()
    thread.join()


@pytest.fixture
def world(tmp_path: Path) -> Path:
    path = tmp_path / "world.yaml"
    path.write_text(
        "apiVersion: maas.opendatahub.io/v1alpha1\nkind: MaaSModelRef\nmetadata: {name: m, namespace: llm}\n"
        "spec: {modelRef: {kind: LLMInferenceService, name: m}}\n"
    )
    return path


def options(world: Path, **settings: str) -> TargetOptions:
    return TargetOptions(target="kind", worlds=(world,), settings={"name": "trial", **settings})


def test_it_builds_creates_loads_installs_and_deletes(
    stubs: Stubs, bundle: Path, nodes: None, world: Path, state_home: Path, api: KubernetesOnly
) -> None:
    progress: list[str] = []
    with open_target(options(world, bundle=str(bundle), **{"gateway-port": "18080"}), progress.append) as platform:
        assert (platform.target, platform.stack) == ("kind", "reference")
        assert platform.endpoints.gateway == "http://127.0.0.1:18080"
        assert platform.provides["kube"]
        assert platform.provides["clock"]
        assert platform.provides["oidc"]
        assert platform.endpoints.issuer == "https://oidc-issuer.openshift-ingress.svc:8444/realms/maas"
        assert not platform.provides["backends"]
        assert platform.kubeconfig is not None
        assert platform.kubeconfig != api.kubeconfig
        with Cluster.connect(platform.kubeconfig) as cluster:
            service = cluster.get(Ref("v1", "Service", "maas-gateway", "openshift-ingress"))
            assert service is not None
            assert {port["nodePort"] for port in service["spec"]["ports"]} == {30080, 30081, 30082, 30083, 30084}
        assert stubs.named("kind", "delete") == []
    order = [" ".join(call[:3]) for call in stubs.calls() if call[0] == "kind" or call[1] == "build"]
    assert order == [
        "kind version",
        "docker build --tag",
        "kind create cluster",
        "kind load docker-image",
        "kind delete cluster",
    ]
    assert stubs.named("docker", "image", "inspect") == [
        ["docker", "image", "inspect", "maas-conformance/reference:dev"]
    ]
    assert any(line.startswith("[1/") for line in progress)
    assert not state_home.exists()


def test_a_keycloak_is_tried_told_to_checks_and_tidied(
    stubs: Stubs,
    bundle: Path,
    nodes: None,
    world: Path,
    state_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, host, progress = socket.getaddrinfo, "idp.example", list[str]()
    resolved = lambda name, *rest, **more: real("127.0.0.1" if name == host else name, *rest, **more)  # noqa: E731 - of any signature
    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    with standing_in(tmp_path, host) as keycloak:
        settings = {"bundle": str(bundle), **keycloak.settings(tmp_path)}
        asked = replace(options(world, **settings), run_id="0123456789ab")
        with open_target(asked, progress.append) as platform:
            assert platform.provides["oidc"]
            assert not platform.provides["any-token"]
            assert platform.endpoints.issuer == settings["oidc-issuer"]
            assert platform.endpoints.issuer_admin is None
            trusted = platform.keycloak
            assert trusted is not None
            assert (trusted.run_id, trusted.url) == ("0123456789ab", keycloak.url)
            assert platform.kubeconfig is not None
            with Cluster.connect(platform.kubeconfig) as cluster:
                tenant = cluster.get(
                    Ref("maas.opendatahub.io/v1alpha1", "AITenant", "models-as-a-service", "ai-tenants")
                )
                assert tenant is not None
                assert tenant["spec"]["oidc"]["issuerUrl"] == settings["oidc-issuer"]
                held = cluster.get(Ref("v1", "ConfigMap", "oidc-ca", "openshift-ingress"))
                assert held is not None
                assert held["data"]["ca.crt"] == keycloak.ca_file.read_text()
            with trusted.connected() as connection:
                connection.realm(trusted.named("own")).make()
        assert set(keycloak.realms) == {"master", "maas"}
    assert f"{settings['oidc-issuer']} lets users log in through the client maas" in progress
    assert f"removed 1 objects that the run had made at {keycloak.url}" in progress
    assert len(stubs.named("kind", "delete", "cluster")) == 1


def test_a_kept_cluster_says_how_to_reach_and_delete_it(
    stubs: Stubs, bundle: Path, nodes: None, world: Path, state_home: Path
) -> None:
    progress: list[str] = []
    with open_target(options(world, bundle=str(bundle), keep="true"), progress.append) as platform:
        kubeconfig = platform.kubeconfig
    assert kubeconfig is not None
    assert kubeconfig.exists()
    assert stubs.named("kind", "delete") == []
    assert progress[-1] == (
        f"kept: export KUBECONFIG={kubeconfig}; kind delete cluster --kubeconfig {kubeconfig} --name trial deletes it"
    )


def test_a_creation_that_fails_is_told_with_its_words_and_deleted(
    stubs: Stubs, world: Path, state_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_FAILS", "kind create")
    with pytest.raises(EnvironmentFault) as fault, open_target(options(world), lambda line: None):
        pass
    assert "create the cluster: kind create cluster --name trial" in str(fault.value)
    assert "ended with exit code 1" in str(fault.value)
    assert "the stub was told to fail" in str(fault.value)
    assert len(stubs.named("kind", "delete", "cluster")) == 1
    assert not state_home.exists()


def test_images_are_looked_for_before_the_cluster_is_made(
    stubs: Stubs, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_FAILS", "docker image inspect")
    with (
        pytest.raises(EnvironmentFault, match="these images are not on this machine: example/r:1, example/db:2"),
        open_target(options(world, image="example/r:1", images="example/db:2"), lambda line: None),
    ):
        pass
    assert stubs.named("kind", "create") == []


def test_a_daemon_that_refuses_privileged_containers_is_one_sentence(
    stubs: Stubs, world: Path, monkeypatch: pytest.MonkeyPatch, state_home: Path
) -> None:
    monkeypatch.setenv("STUB_CAPS", "refused")
    with pytest.raises(EnvironmentFault) as fault, open_target(options(world), lambda line: None):
        pass
    assert "--target kind cannot run here: docker run --privileged" in str(fault.value)
    assert "unable to apply caps" in str(fault.value)
    assert "CAP_SYS_RESOURCE" in str(fault.value)
    assert stubs.named("kind", "create") == []
    assert not state_home.exists()


@pytest.mark.parametrize("target", ["embedded", "kind"])
def test_a_stack_that_nobody_installs_here_is_usage(target: Literal["embedded", "kind"]) -> None:
    with (
        pytest.raises(UsageFault, match="a stack 'upstream' is judged where it is installed"),
        open_target(TargetOptions(target=target, stack="upstream"), lambda line: None),
    ):
        pass


def test_a_file_that_is_not_what_was_pinned_is_refused(bundle: Path, tmp_path: Path) -> None:
    from harness.platforms.kind.plan import pins

    pinned = pins().gateway_api
    name = min(pinned.files)
    (bundle / name).write_text("kind: CustomResourceDefinition # changed\n")
    with pytest.raises(
        EnvironmentFault, match=f"{name} is not the file that was pinned: expected sha256 {pinned.files[name]}"
    ):
        obtain(pinned, tmp_path / "crds", bundle)


def test_after_sigkill_the_next_run_deletes_the_cluster(stubs: Stubs, world: Path, state_home: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from harness.platforms.target import TargetOptions, open_target\n"
        "from harness.platforms.kind import session\n"
        "session.take_all = lambda steps, progress: (print('up', flush=True), time.sleep(600))\n"
        f"options = TargetOptions(target='kind', worlds=(Path({str(world)!r}),), settings={{'name': 'trial'}})\n"
        "with open_target(options, print): pass\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    assert owner.stdout.readline() == "up\n"
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert stubs.named("kind", "delete") == []
    assert len(sweep_dead_runs()) == 1
    deleted = stubs.named("kind", "delete", "cluster")
    assert len(deleted) == 1
    assert deleted[0][-2:] == ["--name", "trial"]
    assert not state_home.exists()
