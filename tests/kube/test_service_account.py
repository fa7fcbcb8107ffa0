import base64
from pathlib import Path

import pytest

from harness.kube.access import service_account_token
from harness.kube.cluster import Cluster
from harness.kube.manifest import Ref
from harness.kube.service_account import write_kubeconfig
from harness.outcome import EnvironmentFault
from harness.platforms.embedded.kube_only import KubernetesOnly


def test_a_pod_s_kubeconfig_is_its_service_account(
    cluster: Cluster, api: KubernetesOnly, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    admin = yaml.safe_load(api.kubeconfig.read_text())["clusters"][0]["cluster"]
    account = Ref.of(
        cluster.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "pod", "namespace": namespace}}
        )
    )
    (tmp_path / "token").write_text(service_account_token(cluster, account) + "\n")
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(admin["certificate-authority-data"]))
    host, port = admin["server"].removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    target = tmp_path / "kubeconfig"
    write_kubeconfig(target, tmp_path)
    assert target.stat().st_mode & 0o777 == 0o600
    with Cluster.connect(target) as own:
        review = own.post(
            "/apis/authentication.k8s.io/v1/selfsubjectreviews",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"},
            what="ask who it is",
        )
    assert review["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:pod"


def test_outside_a_pod_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(EnvironmentFault, match="this is no Pod"):
        write_kubeconfig(tmp_path / "kubeconfig", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(EnvironmentFault, match="mounts no ServiceAccount token"):
        write_kubeconfig(tmp_path / "kubeconfig", tmp_path)
