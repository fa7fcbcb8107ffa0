"""The cluster target on a platform that `up` made: nothing but a kubeconfig and URLs, identities of several powers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from harness.kube.access import service_account_token
from harness.kube.apply import apply_manifests
from harness.kube.cluster import Cluster
from harness.kube.labels import run_labels
from harness.kube.manifest import Manifest, Ref
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.cluster import describe
from harness.platforms.data import data_folder
from harness.platforms.embedded.kube_only import kube_only
from harness.platforms.lease import STATE_HOME_VARIABLE
from harness.platforms.platform import Platform
from harness.platforms.target import TargetOptions, open_target


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_HOME_VARIABLE, str(tmp_path_factory.mktemp("state")))
        with open_target(TargetOptions(), lambda line: None) as platform:
            yield platform


def seen(embedded: Platform, kubeconfig: Path | None = None, **settings: str) -> Platform:
    options = TargetOptions(
        target="cluster",
        kubeconfig=kubeconfig or embedded.kubeconfig,
        gateway_url=f"{embedded.endpoints.gateway}/",
        settings=settings,
    )
    with open_target(options, lambda line: None) as platform:
        return platform


def described(embedded: Platform, settings: dict[str, str]) -> Platform:
    """As `seen`, without asking the issuer."""
    options = TargetOptions(target="cluster", gateway_url=embedded.endpoints.gateway, settings=settings)
    assert embedded.kubeconfig is not None
    with Cluster.connect(embedded.kubeconfig) as cluster:
        return describe(cluster, options, lambda line: None)


def kubeconfig_of(embedded: Platform, folder: Path, name: str, rules: list[Manifest]) -> Path:
    """A kubeconfig for a ServiceAccount with these rights and no others."""
    assert embedded.kubeconfig is not None
    namespace = "cluster-target-test"
    rbac = "rbac.authorization.k8s.io"
    with Cluster.connect(embedded.kubeconfig) as cluster:
        apply_manifests(
            cluster,
            [
                {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
                {"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
                {
                    "apiVersion": f"{rbac}/v1",
                    "kind": "ClusterRoleBinding",
                    "metadata": {"name": name},
                    "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": name},
                    "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
                },
            ],
            run_labels("cluster-target-test"),
        )
        token = service_account_token(cluster, Ref("v1", "ServiceAccount", name, namespace))
    config = yaml.safe_load(embedded.kubeconfig.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def test_an_administrator_sees_the_same_platform(embedded: Platform) -> None:
    platform = seen(embedded)
    assert platform.models == embedded.models
    assert platform.namespaces == embedded.namespaces
    assert platform.endpoints.gateway == embedded.endpoints.gateway
    assert platform.endpoints.management == embedded.endpoints.management
    assert platform.endpoints.standard_gateway == embedded.endpoints.standard_gateway
    assert platform.versions["kubernetes"] == embedded.versions["kubernetes"]
    assert {need for need, provided in platform.provides.items() if provided} == {
        "kube",
        "administrators",
        "models",
        "backends",
        "standard-gateway",
        "kuadrant",
        "providers",
    }
    assert platform.processes == {}
    assert platform.credentials.admin_token is None


def test_what_is_missing_has_a_reason_that_says_how_to_give_it(embedded: Platform) -> None:
    platform = seen(embedded)
    assert "--set limiter-admin=URL" in platform.reasons["clock"]
    assert "--set metrics=URL" in platform.reasons["metrics"]
    assert "--set disposable=true" in platform.reasons["disposable"]
    assert "--set disposable=true" in platform.reasons["components"]
    limiter = str(embedded.endpoints.limiter_admin)
    told = seen(embedded, **{"limiter-admin": limiter, "disposable": "yes", "tiers": "yes", "tenants": "yes"})
    assert {need for need, provided in told.provides.items() if not provided} == {
        "any-token",
        "api-metrics",
        "authorizer-metrics",
        "components",
        "gateway-metrics",
        "instances",
        "oidc",
        "tls",
    }
    assert "--set tenants=true" in platform.reasons["tenants"]
    assert "no Deployment of a component was found: maas-controller, maas-api," in told.reasons["components"]
    assert "plain HTTP" in told.reasons["tls"]
    assert told.endpoints.metrics == f"{limiter}/metrics"


def test_a_keycloak_gives_tokens_to_users_and_not_any_token(embedded: Platform, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    realm = {"oidc-issuer": "https://idp.example/realms/maas", "oidc-client": "models"}
    judge = {"keycloak-admin-client": "judge", "keycloak-admin-secret-file": str(secret)}
    named = described(embedded, realm | judge)
    assert (named.provides["oidc"], named.provides["any-token"]) == (True, False)
    assert "--set oidc-issuer-admin=URL" in named.reasons["any-token"]
    assert named.keycloak is not None
    assert (named.keycloak.issuer, named.keycloak.client) == (realm["oidc-issuer"], "models")
    own = described(embedded, {"oidc-issuer": "https://i/realms/maas", "oidc-issuer-admin": "http://127.0.0.1:1"})
    assert (own.provides["oidc"], own.provides["any-token"], own.keycloak) == (True, True, None)


def test_an_identity_that_may_only_read_cannot_be_used_to_create(embedded: Platform, tmp_path: Path) -> None:
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]
    platform = seen(embedded, kubeconfig_of(embedded, tmp_path, "reader", rules))
    assert platform.models == embedded.models
    assert not platform.provides["kube"]
    assert not platform.provides["models"]
    assert platform.reasons["kube"] == (
        "the kubeconfig's identity may not create namespaces; nor patch namespaces; nor delete namespaces; "
        "nor create serviceaccounts; nor 27 more"
    )
    assert "create llminferenceservices.serving.kserve.io" in platform.reasons["models"]
    assert "create deployments.apps in namespace llm" in platform.reasons["providers"]


RUNNER = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["namespaces", "serviceaccounts"], "verbs": ["create", "patch", "delete"]},
    {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
    {
        "apiGroups": ["maas.opendatahub.io"],
        "resources": [
            "maassubscriptions",
            "maasauthpolicies",
            "maastenantconfigs",
            "externalmodels",
            "aitenants",
            "configs",
        ],
        "verbs": ["create", "patch", "delete"],
    },
    {
        "apiGroups": ["inference.opendatahub.io"],
        "resources": ["externalmodels", "externalproviders"],
        "verbs": ["create", "patch", "delete"],
    },
]


def test_an_identity_that_may_create_and_not_remove_is_not_enough(embedded: Platform, tmp_path: Path) -> None:
    rules = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "delete"]} for rule in RUNNER]
    platform = seen(embedded, kubeconfig_of(embedded, tmp_path, "littering", rules))
    assert not platform.provides["kube"]
    assert "delete maasauthpolicies.maas.opendatahub.io" in platform.reasons["kube"]


def test_an_identity_that_may_do_what_checks_do_is_enough(embedded: Platform, tmp_path: Path) -> None:
    platform = seen(embedded, kubeconfig_of(embedded, tmp_path, "runner", RUNNER))
    assert platform.provides["kube"]
    assert not platform.provides["models"]
    assert "create maasmodelrefs" in platform.reasons["models"]


def test_the_shipped_role_is_enough_for_everything_a_kubeconfig_gives(embedded: Platform, tmp_path: Path) -> None:
    role = yaml.safe_load((data_folder("environments") / "cluster-role.yaml").read_text())
    settings = {"disposable": "yes", "tiers": "yes"}
    platform = seen(embedded, kubeconfig_of(embedded, tmp_path, "shipped", role["rules"]), **settings)
    assert platform.provides["kube"], platform.reasons
    assert platform.provides["models"], platform.reasons
    assert platform.provides["providers"], platform.reasons
    assert platform.provides["disposable"], platform.reasons
    assert platform.provides["tiers"], platform.reasons
    assert platform.models == embedded.models
    assert platform.namespaces == embedded.namespaces
    assert platform.provides["backends"]


def test_a_gpu_model_is_deployed_under_the_run_s_labels_and_gone_afterwards(embedded: Platform, tmp_path: Path) -> None:
    profile = tmp_path / "small.yaml"
    profile.write_text(
        "name: gpu-model\nuri: hf://Qwen/Qwen3-0.6B\nmodel: Qwen/Qwen3-0.6B\nimage: mock-vllm\n"
        "resources: {gpus: 1, memory_limit: 12Gi, memory_request: 8Gi}\n"
    )
    options = TargetOptions(
        target="cluster",
        kubeconfig=embedded.kubeconfig,
        gateway_url=embedded.endpoints.gateway,
        gpu_profile=profile,
        settings={"model-ready-bound": "30"},
    )
    service = Ref("serving.kserve.io/v1alpha1", "LLMInferenceService", "gpu-model", "llm")
    assert embedded.kubeconfig is not None
    with Cluster.connect(embedded.kubeconfig) as cluster:
        with open_target(options, lambda line: None) as platform:
            assert "gpu-model" in [model.name for model in platform.models]
            stored = cluster.get(service)
            assert stored is not None
            assert stored["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "maas-conformance"
        assert cluster.get(service) is None
        assert (
            cluster.get(Ref("maas.opendatahub.io/v1alpha1", "MaaSSubscription", "gpu-model", "models-as-a-service"))
            is None
        )


def test_a_cluster_without_maas_is_one_sentence(tmp_path: Path) -> None:
    with kube_only(TargetOptions(), lambda line: None) as bare:
        with Cluster.connect(bare.kubeconfig) as cluster:
            cluster.delete(
                Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", "maasmodelrefs.maas.opendatahub.io")
            )
        options = TargetOptions(target="cluster", kubeconfig=bare.kubeconfig, gateway_url="http://127.0.0.1:1")
        with pytest.raises(EnvironmentFault, match="serves no MaaSModelRef"), open_target(options, lambda line: None):
            pass


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (TargetOptions(target="cluster"), "needs --kubeconfig FILE and --gateway URL"),
        (TargetOptions(target="cluster", kubeconfig=Path("/x")), "needs --kubeconfig FILE and --gateway URL"),
        (TargetOptions(target="cluster", settings={"disposible": "true"}), "did you mean disposable?"),
    ],
)
def test_missing_and_unknown_options_are_one_sentence(options: TargetOptions, sentence: str) -> None:
    with pytest.raises(UsageFault) as fault, open_target(options, lambda line: None):
        pass
    assert sentence in str(fault.value)
