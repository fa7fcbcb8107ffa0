from pathlib import Path

import pytest
import yaml

from harness.kube.access import Permission, may, service_account_token
from harness.kube.cluster import Cluster
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.embedded.kube_only import KubernetesOnly


def config_map(namespace: str, name: str = "settings", **data: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def test_apply_creates_and_then_changes_the_same_object(cluster: Cluster, namespace: str) -> None:
    first = cluster.apply(config_map(namespace, color="red"))
    second = cluster.apply(config_map(namespace, color="blue"))
    assert second["metadata"]["uid"] == first["metadata"]["uid"]
    assert second["data"] == {"color": "blue"}
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]


def test_a_field_that_is_no_longer_applied_goes(cluster: Cluster, namespace: str) -> None:
    cluster.apply(config_map(namespace, a="1", b="2"))
    assert cluster.apply(config_map(namespace, a="1"))["data"] == {"a": "1"}


def test_applying_a_deployment_twice_changes_nothing(cluster: Cluster, namespace: str) -> None:
    container = {
        "name": "main",
        "image": "example",
        "ports": [{"containerPort": 8443}, {"containerPort": 9090, "name": "metrics"}],
    }
    labels = {"app": "example"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "example", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    first = cluster.apply(deployment)
    second = cluster.apply(deployment)
    assert second["spec"] == first["spec"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


def test_get_delete_and_absence(cluster: Cluster, namespace: str) -> None:
    ref = Ref.of(cluster.apply(config_map(namespace)))
    assert ref == Ref("v1", "ConfigMap", "settings", namespace)
    assert cluster.delete(ref) is True
    assert cluster.get(ref) is None
    assert cluster.delete(ref) is False


def test_objects_carry_their_kind_and_are_filtered_by_labels(cluster: Cluster, namespace: str) -> None:
    labelled = config_map(namespace, "one")
    labelled["metadata"]["labels"] = {"colour": "red"}
    cluster.apply(labelled)
    cluster.apply(config_map(namespace, "two"))
    found = cluster.objects("v1", "ConfigMap", namespace=namespace, labels="colour=red")
    assert [(entry["kind"], entry["metadata"]["name"]) for entry in found] == [("ConfigMap", "one")]


def test_merge_and_json_patches(cluster: Cluster, namespace: str) -> None:
    ref = Ref.of(cluster.apply(config_map(namespace, a="1", b="2")))
    assert cluster.patch(ref, {"data": {"a": None, "c": "3"}})["data"] == {"b": "2", "c": "3"}
    assert cluster.patch(ref, [{"op": "replace", "path": "/data/b", "value": "4"}])["data"] == {"b": "4", "c": "3"}


def test_an_invalid_object_is_rejected_with_its_fields(cluster: Cluster, namespace: str) -> None:
    with pytest.raises(Rejected) as rejection:
        cluster.apply(
            {
                "apiVersion": "maas.opendatahub.io/v1alpha1",
                "kind": "MaaSModelRef",
                "metadata": {"name": "m", "namespace": namespace},
                "spec": {"modelRef": {"kind": "InferenceService", "name": "m"}},
            }
        )
    assert (rejection.value.status, rejection.value.reason) == (422, "Invalid")
    assert rejection.value.fields == ("spec.modelRef.kind",)


def test_a_kind_that_the_server_lacks_is_known_to_be_lacking(cluster: Cluster) -> None:
    assert cluster.knows("v1", "ConfigMap")
    assert not cluster.knows("example.com/v1", "Unicorn")
    with pytest.raises(Rejected, match="does not have that kind"):
        cluster.objects("example.com/v1", "Unicorn")


def test_a_service_account_s_token_is_that_identity(cluster: Cluster, namespace: str) -> None:
    account = Ref.of(
        cluster.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ann", "namespace": namespace}}
        )
    )
    token = service_account_token(cluster, account)
    review = cluster.post(
        "/apis/authentication.k8s.io/v1/tokenreviews",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}},
        what="review a token",
    )
    assert review["status"]["user"]["username"] == f"system:serviceaccount:{namespace}:ann"
    assert f"system:serviceaccounts:{namespace}" in review["status"]["user"]["groups"]


def test_the_administrator_may_everything_and_the_sentence_says_what(cluster: Cluster) -> None:
    permission = Permission("create", "maassubscriptions", "maas.opendatahub.io", "models-as-a-service")
    assert may(cluster, permission) is True
    assert str(permission) == "create maassubscriptions.maas.opendatahub.io in namespace models-as-a-service"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{}", "names no clusters"),
        ("clusters: [", "not a usable kubeconfig"),
        ("apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\ncurrent-context: nowhere\n", "nowhere"),
    ],
)
def test_a_broken_kubeconfig_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(UsageFault, match=sentence) as fault:
        Cluster.connect(path)
    assert str(path) in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_missing_kubeconfig_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageFault, match=r"cannot read the kubeconfig .*No such file"):
        Cluster.connect(tmp_path / "none")


def test_a_server_that_does_not_answer_is_the_environment_s_fault(api: KubernetesOnly, tmp_path: Path) -> None:
    config = yaml.safe_load(api.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(EnvironmentFault, match="does not answer"):
        Cluster.connect(path)


def test_discovery_leaves_no_file_behind(api: KubernetesOnly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    Cluster.connect(api.kubeconfig).objects("v1", "Namespace")
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    api: KubernetesOnly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert Cluster.connect(api.kubeconfig).version().startswith("v1.")
