"""AITenants and MaasTenantConfigs: pure functions first, then the process on a real API server."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from harness.simulator.controllers.command import duration
from harness.simulator.controllers.maas import workload
from harness.simulator.controllers.maas.names import DEFAULT_TENANT, Settings
from harness.simulator.controllers.maas.tenant import (
    Footing,
    claimed_by_other,
    config_status,
    gateway_of,
    judge_config,
    judge_tenant,
    malformed_replicas,
    namespace_of,
)
from harness.simulator.controllers.runtime.condition import find
from harness.simulator.controllers.runtime.kind import (
    AI_TENANT,
    AUTH_POLICY,
    CONFIG,
    CRON_JOB,
    DEPLOYMENT,
    EVENT,
    GATEWAY,
    HTTP_ROUTE,
    JOB,
    MAAS_MODEL_REF,
    MAAS_SUBSCRIPTION,
    MAAS_TENANT_CONFIG,
    NAMESPACE,
    ROLE,
    SECRET,
    SERVICE,
    TOKEN_RATE_LIMIT_POLICY,
)
from harness.simulator.controllers.runtime.manifest import Key
from tests.controllers.client import Client
from tests.controllers.conftest import CONTROL, INGRESS, ROOT, Platform, Running
from tests.controllers.gateway_double import GatewayDouble
from tests.controllers.objects import made, said
from tests.controllers.workloads import INFRA, end_job, end_jobs, make_available, revocation_of
from tests.controllers.world import World, condition, gone, phase

SETTINGS = Settings()
BLUE = Key("ai-tenants", "blue")


class TestPure:
    def tenant(self, name: str = "blue", namespace: str = "ai-tenants", **spec: Any) -> dict[str, Any]:
        return made("AITenant", name, namespace, spec=spec)

    def test_the_gateway_is_the_wished_one_the_default_one_or_one_of_the_tenants_name(self) -> None:
        assert gateway_of(self.tenant(gateway={"name": "gw"}), SETTINGS).name == "gw"
        assert gateway_of(self.tenant(DEFAULT_TENANT), SETTINGS).name == "maas-default-gateway"
        assert gateway_of(self.tenant(), SETTINGS).name == "blue"

    def test_namespaces(self) -> None:
        assert namespace_of(DEFAULT_TENANT, SETTINGS) == "models-as-a-service"
        assert namespace_of("blue", SETTINGS) == "ai-tenant-blue"

    @pytest.mark.parametrize(
        ("namespace", "rival", "gateway", "ready", "expected"),
        [
            ("elsewhere", False, True, True, ("Failed", "InvalidPlacement")),
            ("ai-tenants", True, True, True, ("Failed", "GatewayClaimFailed")),
            ("ai-tenants", False, False, True, ("Failed", "GatewayCheckFailed")),
            ("ai-tenants", False, True, False, ("Pending", "TenantConfigNotReady")),
            ("ai-tenants", False, True, True, ("Active", "Reconciled")),
        ],
    )
    def test_standing(self, namespace: str, rival: bool, gateway: bool, ready: bool, expected: tuple[str, str]) -> None:
        rivals = [self.tenant("older")] if rival else []
        found = made("Gateway", "blue", INGRESS) if gateway else None
        finding = judge_tenant(self.tenant(namespace=namespace), SETTINGS, rivals, found, ready)
        assert (finding.phase, finding.reason) == expected

    def test_a_namespace_made_for_another_tenant_is_not_taken(self) -> None:
        notes = {"maas.opendatahub.io/aitenant-name": "red", "maas.opendatahub.io/aitenant-namespace": "ai-tenants"}
        claimed = made("Namespace", "ai-tenant-blue", "", metadata={"annotations": notes})
        assert claimed_by_other(claimed, BLUE) == "ai-tenants/red"
        assert claimed_by_other(claimed, Key("ai-tenants", "red")) == ""
        assert claimed_by_other(made("Namespace", "ai-tenant-blue", ""), BLUE) == ""

    @pytest.mark.row("MAAS-STAT-040")
    @pytest.mark.parametrize(
        ("state", "conditions", "footing", "expected"),
        [
            (None, None, Footing(), ("Failed", "InvalidGateway")),
            (None, said("-Programmed"), Footing(), ("Pending", "GatewayNotReady")),
            (None, said("Programmed"), Footing(serving=False), ("Pending", "DeploymentsNotReady")),
            (None, said("Programmed"), Footing(refused="no"), ("Failed", "PlatformReconcileFailed")),
            (None, said("Programmed"), Footing(prerequisites="no"), ("Failed", "PrerequisitesNotMet")),
            (None, None, Footing(dependencies="no"), ("Pending", "DependenciesNotAvailable")),
            (None, said("Programmed"), Footing(), ("Active", "Reconciled")),
            ("Removed", said("Programmed"), Footing(), ("Pending", "WaitingForRemovedTeardown")),
            ("Sometimes", said("Programmed"), Footing(), ("Failed", "UnexpectedManagementState")),
        ],
    )
    def test_configuration(
        self, state: str | None, conditions: Any, footing: Footing, expected: tuple[str, str]
    ) -> None:
        notes = {"component.opendatahub.io/management-state": state} if state else {}
        config = made("MaasTenantConfig", "default-tenant", "ns", metadata={"annotations": notes})
        gateway = made("Gateway", "g", INGRESS, status={"conditions": conditions}) if conditions else None
        finding = judge_config(config, Key(INGRESS, "g"), gateway, footing)
        assert (finding.phase, finding.reason) == expected
        written = config_status(config, finding, footing, SETTINGS, "now")
        assert find(written["conditions"], "Ready")["status"] == str(expected[0] == "Active")
        assert find(written["conditions"], "DeploymentsAvailable")["status"] == str(footing.serving)

    @pytest.mark.parametrize(
        ("value", "well"), [("1", True), ("100", True), ("0", False), ("101", False), ("two", False)]
    )
    def test_replica_annotations_are_numbers(self, value: str, well: bool) -> None:
        notes = {"maas.opendatahub.io/maas-api-replicas": value}
        config = made("MaasTenantConfig", "default-tenant", "ns", metadata={"annotations": notes})
        assert (malformed_replicas(config) == "") is well
        assert workload.replicas(config) == (int(value) if well else 1)
        programmed = made("Gateway", "g", status={"conditions": said("Programmed")})
        finding = judge_config(config, Key("", "g"), programmed, Footing())
        assert config_status(config, finding, Footing(), SETTINGS, "now")["phase"] == ("Active" if well else "Degraded")

    @pytest.mark.parametrize(
        ("text", "seconds"), [("0", 0), ("10m", 600), ("90s", 90), ("1h30m", 5400), ("1.5s", 1.5), ("250ms", 0.25)]
    )
    def test_a_timeout_is_a_duration(self, text: str, seconds: float) -> None:
        assert duration(text, "--deletion-timeout") == seconds

    @pytest.mark.parametrize("text", ["", "10", "m", "10 m", "ten minutes", "-1s"])
    def test_a_timeout_that_is_none_is_a_usage_fault(self, text: str) -> None:
        with pytest.raises(click.BadParameter, match="expected a duration such as 10m"):
            duration(text, "--deletion-timeout")

    @pytest.mark.parametrize("tenant", ["blue", "x" * 41])
    def test_names_stay_within_what_kubernetes_takes(self, tenant: str) -> None:
        assert len(workload.cleanup_name(tenant)) <= 52
        assert len(workload.revocation_name(self.tenant(tenant))) <= 63
        assert len(workload.api_name(tenant)) <= 63

    def test_a_tenant_made_anew_has_another_revocation(self) -> None:
        first, second = self.tenant(), self.tenant()
        second["metadata"]["uid"] = "another"
        assert workload.revocation_name(first) != workload.revocation_name(second)

    @pytest.mark.parametrize(
        ("generation", "status", "available"),
        [
            (1, {"observedGeneration": 1, "availableReplicas": 1, "conditions": said("Available")}, True),
            (2, {"observedGeneration": 1, "availableReplicas": 1, "conditions": said("Available")}, False),
            (1, {"observedGeneration": 1, "availableReplicas": 0, "conditions": said("Available")}, False),
            (1, {"observedGeneration": 1, "availableReplicas": 1, "conditions": said("-Available")}, False),
            (1, {}, False),
        ],
    )
    def test_a_deployment_is_available_in_its_present_form(
        self, generation: int, status: dict[str, Any], available: bool
    ) -> None:
        found = made("Deployment", "d", metadata={"generation": generation}, spec={"replicas": 1}, status=status)
        assert workload.is_available(found) is available


def gateway(client: Client, name: str) -> None:
    """A Gateway, which the double programs."""
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
    client.create(GATEWAY, name, INGRESS, spec={"gatewayClassName": "x", "listeners": [listener]})


def tenant_in_force(client: Client, name: str) -> None:
    """An AITenant with a Gateway and a maas-api that serves."""
    gateway(client, name)
    client.create(AI_TENANT, name, "ai-tenants", spec={})
    make_available(client, name)
    client.until(AI_TENANT, name, "ai-tenants", phase("Active"))


class TestProcess:
    @pytest.mark.row(
        "MAAS-MT-001", "MAAS-MT-002", "MAAS-MT-009", "MAAS-MT-012", "MAAS-STAT-040", "MAAS-STAT-041", "MAAS-CRD-086"
    )
    def test_a_tenant_comes_into_force(self, platform: Platform) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        space = f"ai-tenant-{name}"
        client.create(AI_TENANT, name, "ai-tenants", spec={})
        found = client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "GatewayCheckFailed"))
        assert found is not None
        assert found["metadata"]["finalizers"] == ["maas.opendatahub.io/aitenant-cleanup"]
        gateway(client, name)
        client.until(MAAS_TENANT_CONFIG, "default-tenant", space, condition("Ready", "False", "DeploymentsNotReady"))
        client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "TenantConfigNotReady"))
        make_available(client, name)
        found = client.until(AI_TENANT, name, "ai-tenants", phase("Active"))
        assert found is not None
        assert found["status"]["gatewayRef"] == {"namespace": INGRESS, "name": name}
        assert found["status"]["tenantNamespace"] == space
        labels = (client.get(NAMESPACE, space) or {})["metadata"]["labels"]
        assert labels["maas.opendatahub.io/managed-by-aitenant"] == "true"
        assert labels["maas.opendatahub.io/gateway-access"] == "true"
        client.until(MAAS_TENANT_CONFIG, "default-tenant", space, phase("Active"))
        assert client.get(ROLE, "maas-tenant-admin", space) is not None
        client.until(AUTH_POLICY, f"{name}-maas-auth", INGRESS, bool)
        client.until(TOKEN_RATE_LIMIT_POLICY, f"gateway-default-deny-{name}", INGRESS, bool)
        client.until(HTTP_ROUTE, f"maas-api-route-{name}", INFRA, bool)

        key = world.service("m1", gateways=[{"name": name, "namespace": INGRESS}])
        world.model("m1", spec={"tenantRef": name})
        world.available("m1")
        subscription = world.subscribe("sub", key, namespace=space)
        world.allow("access", key, namespace=space)
        model = client.until(MAAS_MODEL_REF, "m1", world.namespace, phase("Ready"))
        assert model is not None
        assert model["status"]["resolvedTenantRef"] == name
        assert model["status"]["httpRouteGatewayName"] == name
        client.until(MAAS_SUBSCRIPTION, subscription, space, phase("Active"))

    @pytest.mark.row("MAAS-MT-002", "MAAS-KEY-104", "MAAS-CTRL-022")
    def test_what_runs_for_a_tenant_comes_back_when_it_is_deleted(self, platform: Platform) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        tenant_in_force(client, name)
        deployed = client.get(DEPLOYMENT, f"maas-api-{name}", INFRA)
        assert deployed is not None
        container = deployed["spec"]["template"]["spec"]["containers"][0]
        variables = {entry["name"]: entry for entry in container["env"]}
        assert variables["TENANT_NAME"]["value"] == name
        assert variables["MAAS_SUBSCRIPTION_NAMESPACE"]["value"] == f"ai-tenant-{name}"
        assert variables["DB_CONNECTION_URL"]["valueFrom"]["secretKeyRef"]["name"] == "maas-db-config"
        managers = {(entry["manager"], entry["operation"]) for entry in deployed["metadata"]["managedFields"]}
        assert ("maas-controller", "Apply") in managers
        for kind, plural in ((DEPLOYMENT, f"maas-api-{name}"), (SERVICE, f"maas-api-{name}")):
            before = (client.get(kind, plural, INFRA) or {})["metadata"]["uid"]
            client.delete(kind, plural, INFRA)
            client.until(
                kind, plural, INFRA, lambda found, uid=before: found is not None and found["metadata"]["uid"] != uid
            )
        cron = client.get(CRON_JOB, f"maas-api-key-cleanup-{name}", INFRA)
        assert cron is not None
        assert (cron["spec"]["schedule"], cron["spec"]["concurrencyPolicy"]) == ("*/15 * * * *", "Forbid")
        errand = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
        assert errand["args"][1].endswith("/internal/v1/api-keys/cleanup")
        assert errand["securityContext"]["readOnlyRootFilesystem"] is True

    @pytest.mark.row("MAAS-CTRL-022")
    def test_what_somebody_else_controls_is_left_alone(self, platform: Platform) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        owner = client.create(SERVICE, world.name("owner"), INFRA, spec={"ports": [{"name": "x", "port": 1}]})
        reference = {"apiVersion": "v1", "kind": "Service", "name": world.name("owner"), "controller": True}
        client.create(
            SERVICE,
            f"maas-api-{name}",
            INFRA,
            metadata={"ownerReferences": [reference | {"uid": owner["metadata"]["uid"]}]},
            spec={"ports": [{"name": "http", "port": 1234}]},
        )
        tenant_in_force(client, name)
        kept = client.get(SERVICE, f"maas-api-{name}", INFRA)
        assert kept is not None
        assert [port["port"] for port in kept["spec"]["ports"]] == [1234]

    @pytest.mark.row("MAAS-MT-010", "MAAS-MT-011", "MAAS-REV-010", "MAAS-STAT-041")
    def test_a_tenant_ends_when_its_keys_are_revoked(self, platform: Platform) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        space = f"ai-tenant-{name}"
        tenant_in_force(client, name)
        key = world.service("m1", gateways=[{"name": name, "namespace": INGRESS}])
        subscription = world.subscribe("sub", key, namespace=space)
        client.delete(AI_TENANT, name, "ai-tenants")
        found = client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "DeletionInProgress"))
        assert found is not None
        assert found["status"]["phase"] == "Terminating"
        job = revocation_of(client, name)
        assert job["spec"]["template"]["spec"]["containers"][0]["args"][1].endswith(
            f"/internal/v1/tenants/{name}/api-keys"
        )
        end_job(client, job, well=False)
        found = client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "DeletionBlocked"))
        assert find((found or {})["status"]["conditions"], "APIKeysRevoked")["status"] == "False"
        assert client.get(DEPLOYMENT, f"maas-api-{name}", INFRA) is not None
        end_jobs(client, name, well=True)
        client.until(AI_TENANT, name, "ai-tenants", gone)
        for kind, place, plural in (
            (DEPLOYMENT, INFRA, f"maas-api-{name}"),
            (SERVICE, INFRA, f"maas-api-{name}"),
            (CRON_JOB, INFRA, f"maas-api-key-cleanup-{name}"),
            (HTTP_ROUTE, INFRA, f"maas-api-route-{name}"),
            (AUTH_POLICY, INGRESS, f"{name}-maas-auth"),
            (TOKEN_RATE_LIMIT_POLICY, INGRESS, f"gateway-default-deny-{name}"),
            (MAAS_TENANT_CONFIG, space, "default-tenant"),
            (ROLE, space, "maas-tenant-admin"),
        ):
            client.until(kind, plural, place, gone)
        left = client.get(NAMESPACE, space)
        assert left is not None
        assert "maas.opendatahub.io/managed-by-aitenant" not in (left["metadata"].get("labels") or {})
        assert client.get(MAAS_SUBSCRIPTION, subscription, space) is not None

    @pytest.mark.row("MAAS-MT-010")
    def test_a_tenant_that_never_was_in_force_goes_at_once_and_leaves_a_persons_configuration(
        self, platform: Platform
    ) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        space = f"ai-tenant-{name}"
        client.create(NAMESPACE, space)
        client.create(MAAS_TENANT_CONFIG, "default-tenant", space, spec={})
        client.create(AI_TENANT, name, "ai-tenants", spec={})
        client.until(AI_TENANT, name, "ai-tenants", condition("Ready", "False", "GatewayCheckFailed"))
        client.delete(AI_TENANT, name, "ai-tenants")
        client.until(AI_TENANT, name, "ai-tenants", gone)
        assert client.get(MAAS_TENANT_CONFIG, "default-tenant", space) is not None

    @pytest.mark.row("MAAS-STAT-041")
    def test_a_namespace_that_is_another_tenants_is_not_taken(self, platform: Platform) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        notes = {"maas.opendatahub.io/aitenant-name": "other", "maas.opendatahub.io/aitenant-namespace": "ai-tenants"}
        client.create(NAMESPACE, f"ai-tenant-{name}", metadata={"annotations": notes})
        gateway(client, name)
        client.create(AI_TENANT, name, "ai-tenants", spec={})
        found = client.until(
            AI_TENANT, name, "ai-tenants", condition("Ready", "False", "TenantNamespaceFailed"), bound_s=30
        )
        assert found is not None
        assert found["status"]["phase"] == "Failed"
        kept = client.get(NAMESPACE, f"ai-tenant-{name}")
        assert kept is not None
        assert notes.items() <= kept["metadata"]["annotations"].items()

    @pytest.mark.row("MAAS-RATE-026")
    def test_a_model_of_another_tenant_is_no_model_for_a_subscription(self, platform: Platform) -> None:
        world, client = World(platform.client), platform.client
        name = world.name("t")
        tenant_in_force(client, name)
        key = world.service("m1")
        world.model("m1")
        subscription = world.subscribe("sub", key, namespace=f"ai-tenant-{name}")
        found = client.until(MAAS_SUBSCRIPTION, subscription, f"ai-tenant-{name}", phase("Failed"))
        assert found is not None
        assert "is not attached to tenant gateway" in find(found["status"]["conditions"], "Ready")["message"]
        assert client.get(TOKEN_RATE_LIMIT_POLICY, "maas-trlp-m1", world.namespace) is None


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Client]:
    """An API server and a MaaS controller of a test's own, whose deletions are forced after a second; nothing is installed yet."""
    crds = str(ROOT / "fixtures/crds")
    api = Running("harness.simulator.kubeapi", tmp_path, "--dir", str(tmp_path), "--crds", crds).wait()
    kubeconfig = tmp_path / "admin.kubeconfig"
    arguments = ("maas", "--kubeconfig", str(kubeconfig), "--deletion-timeout", "1s", "--webhook-bind", "off")
    controllers = Running("harness.simulator.controllers", tmp_path, *arguments).wait()
    gateways = GatewayDouble(kubeconfig)
    gateways.start()
    yield Client(kubeconfig)
    gateways.stop()
    controllers.stop()
    api.stop()


def install(client: Client) -> None:
    """What an installer brings: namespaces, the default gateway and the database's Secret."""
    for namespace in (INGRESS, "models-as-a-service", INFRA, "ai-tenants"):
        client.create(NAMESPACE, namespace)
    gateway(client, "maas-default-gateway")
    client.create(NAMESPACE, CONTROL)


class TestInstallation:
    @pytest.mark.row("MAAS-CTRL-024", "MAAS-CTRL-025", "MAAS-CTRL-026", "MAAS-STAT-040")
    def test_from_the_first_tenant_to_the_last(self, installation: Client) -> None:
        client = installation
        install(client)
        labels = {"opendatahub.io/generated-namespace": "true"}
        for name in ("ai-tenants", INFRA):
            client.until(
                NAMESPACE,
                name,
                "",
                lambda found: found is not None and labels.items() <= (found["metadata"].get("labels") or {}).items(),
            )
        client.until(AI_TENANT, DEFAULT_TENANT, "ai-tenants", bool)
        space = "models-as-a-service"
        client.until(MAAS_TENANT_CONFIG, "default-tenant", space, condition("Ready", "False", "PrerequisitesNotMet"))
        encoded = base64.b64encode(b"sqlite:////data/keys.db").decode()
        client.create(SECRET, "maas-db-config", INFRA, data={"DB_CONNECTION_URL": encoded})
        client.until(MAAS_TENANT_CONFIG, "default-tenant", space, condition("Ready", "False", "DeploymentsNotReady"))

        client.delete(AI_TENANT, DEFAULT_TENANT, "ai-tenants")
        end_jobs(client, DEFAULT_TENANT, well=True)
        client.until(AI_TENANT, DEFAULT_TENANT, "ai-tenants", gone)
        client.delete(NAMESPACE, "ai-tenants")
        client.until(
            NAMESPACE,
            "ai-tenants",
            "",
            lambda found: found is not None and "deletionTimestamp" not in found["metadata"],
        )
        tenant_in_force(client, "blue")  # everything that could make the default tenant anew has happened by now
        assert client.get(AI_TENANT, DEFAULT_TENANT, "ai-tenants") is None

        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
        wanted = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": template}
        client.create(DEPLOYMENT, "maas-controller", CONTROL, spec=wanted)
        asked = {"metadata": {"annotations": {"maas.opendatahub.io/teardown-requested": "true"}}}
        client.patch(DEPLOYMENT, "maas-controller", asked, CONTROL)
        end_jobs(client, "blue", well=True)

        def is_done(found: Any) -> bool:
            notes = found["metadata"].get("annotations") or {}
            return bool(notes.get("maas.opendatahub.io/teardown-completed") == "true")

        client.until(DEPLOYMENT, "maas-controller", CONTROL, is_done)
        assert client.get(AI_TENANT, "blue", "ai-tenants") is None
        assert client.get(CONFIG, "default") is None
        for name in ("ai-tenants", "ai-tenant-blue", INFRA):
            assert client.get(NAMESPACE, name) is not None

    @pytest.mark.row("MAAS-MT-011")
    def test_a_blocked_end_is_forced_after_the_timeout(self, installation: Client) -> None:
        client = installation
        install(client)
        client.create(SECRET, "maas-db-config", INFRA, data={"DB_CONNECTION_URL": ""})
        tenant_in_force(client, "blue")
        forced: list[str] = []

        def sees(found: Any) -> bool:
            ready = find(((found or {}).get("status") or {}).get("conditions"), "Ready") or {}
            forced.append(str(ready.get("reason")))
            return found is None

        client.delete(AI_TENANT, "blue", "ai-tenants")
        client.until(AI_TENANT, "blue", "ai-tenants", sees)
        assert "CleanupForced" in forced
        events = [event for event in client.all(EVENT, "ai-tenants") if event["reason"] == "AITenantCleanupForced"]
        assert [event["type"] for event in events] == ["Warning"]
        client.until(DEPLOYMENT, "maas-api-blue", INFRA, gone)
        assert client.all(JOB, INFRA) != []
