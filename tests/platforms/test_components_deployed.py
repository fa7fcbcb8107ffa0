"""Components of a cluster are its Deployments: found by name, scaled to nothing and back."""

from collections.abc import Iterator

import pytest

from harness.kube.cluster import Cluster
from harness.kube.manifest import Manifest, Ref
from harness.kube.wait import Bound, has_condition, wait_for
from harness.outcome import UsageFault
from harness.platforms.deployments import DeployedComponents, component_deployments
from harness.platforms.platform import Namespaces, Platform
from harness.platforms.target import TargetOptions, open_target

HOME = "kuadrant-system"
BOUND = Bound("a Deployment follows", 30)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAAS_CONFORMANCE_STATE", str(tmp_path_factory.mktemp("state")))
        with open_target(TargetOptions(), lambda line: None) as opened:
            yield opened


@pytest.fixture
def cluster(platform: Platform) -> Iterator[Cluster]:
    assert platform.kubeconfig is not None
    with Cluster.connect(platform.kubeconfig) as connected:
        yield connected


def deploy(cluster: Cluster, name: str, namespace: str, **labels: str) -> Ref:
    """A Deployment of that name with one replica of a model server, which the kubelet stand-in can run."""
    model: Manifest = cluster.objects("apps/v1", "Deployment", namespace="llm")[0]
    container = model["spec"]["template"]["spec"]["containers"][0]
    own = {"app": name}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {**own, **labels}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": own},
            "template": {"metadata": {"labels": own}, "spec": {"containers": [container]}},
        },
    }
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    cluster.apply(manifest)
    ref = Ref("apps/v1", "Deployment", name, namespace)
    wait_for(cluster, has_condition(ref, "Available"), BOUND)
    return ref


@pytest.mark.parametrize("action", ["stop", "kill"])
def test_a_deployment_is_scaled_to_nothing_and_back(cluster: Cluster, action: str) -> None:
    ref = deploy(cluster, "limitador-limitador", HOME)
    components = DeployedComponents(cluster, {"limiter": ref})
    assert [(state.name, state.state) for state in components.states()] == [("limiter", "running")]
    assert components.act("limiter", "prepare").state == "running"
    assert components.act("limiter", action).state == "stopped"  # type: ignore[arg-type] # one of the actions, by parameter
    assert [
        pod for pod in cluster.objects("v1", "Pod", namespace=HOME) if not pod["metadata"].get("deletionTimestamp")
    ] == []
    assert components.act("limiter", action).state == "stopped"  # type: ignore[arg-type] # as above
    assert components.act("limiter", "start").state == "running"
    found = cluster.get(ref)
    assert found is not None
    assert found["spec"]["replicas"] == 1


def test_what_a_deployment_cannot_do_is_said(cluster: Cluster) -> None:
    components = DeployedComponents(cluster, {"limiter": Ref("apps/v1", "Deployment", "limitador", HOME)})
    assert not components.pauses
    with pytest.raises(UsageFault, match="it cannot be paused"):
        components.act("limiter", "pause")
    with pytest.raises(UsageFault, match="there is no component 'kubeapi' here; there are limiter"):
        components.act("kubeapi", "stop")


def test_components_are_found_by_the_names_of_their_deployments(cluster: Cluster) -> None:
    places = Namespaces()
    authorino = deploy(cluster, "authorino", HOME)
    api = deploy(cluster, "maas-api", places.infra)
    deploy(cluster, "maas-api", "another-tenant")
    gateway = deploy(
        cluster,
        "maas-default-gateway-openshift-default",
        places.gateway,
        **{"gateway.networking.k8s.io/gateway-name": "maas-default-gateway"},
    )
    found = component_deployments(cluster, places)
    assert {name: ref for name, ref in found.items() if name != "limiter"} == {
        "authorizer": authorino,
        "maas-api": api,
        "gateway": gateway,
    }
