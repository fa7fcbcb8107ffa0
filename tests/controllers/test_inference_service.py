"""What the KServe stand-in makes of an LLMInferenceService, as pure functions."""

import json
from typing import Any, ClassVar

import pytest

from harness.simulator.controllers.kserve.address import LISTENER_URLS, address_name, addresses, preferred_url
from harness.simulator.controllers.kserve.names import STOP, child_name, served_names
from harness.simulator.controllers.kserve.reconciler import STANDARD_GATEWAY, readiness_event, what_models_use
from harness.simulator.controllers.kserve.route import GatewayRef, gateway_refs, http_route, not_ready
from harness.simulator.controllers.kserve.status import Observation, Trouble, written_status
from harness.simulator.controllers.kserve.tier import ANNOTATION, MalformedTiersError, granted_tiers, role, role_binding
from harness.simulator.controllers.kserve.workload import deployment, workload_service
from harness.simulator.controllers.runtime.condition import find
from tests.controllers.objects import made, said, service

MAAS = GatewayRef("openshift-ingress", "maas-default-gateway")


class TestNames:
    def test_long_names_are_shortened_with_a_digest(self) -> None:
        parent = "e2e-unconfigured-facebook-opt-125m-simulated"
        assert (
            child_name(parent, "-kserve-workload-svc")
            == "e2e-unconfiab60ef4d3a239b5143b412cab04acac3-kserve-workload-svc"
        )
        assert child_name(parent, "-kserve-route") == f"{parent}-kserve-route"

    def test_a_model_answers_to_its_name_its_published_name_and_its_objects_name(self) -> None:
        assert served_names(service()) == ["facebook/opt-125m", "publishers/llm/models/facebook/opt-125m", "m1"]

    def test_the_model_name_defaults_to_the_objects(self) -> None:
        assert served_names(service(model=None)) == ["m1", "publishers/llm/models/m1"]


class TestWorkload:
    def container(self, **template: Any) -> dict[str, Any]:
        built = deployment(service(template={"containers": [{"name": "main"} | template]}), "mock:1")
        containers: list[dict[str, Any]] = built["spec"]["template"]["spec"]["containers"]
        return containers[0]

    def test_without_a_template_the_mock_serves_every_name(self) -> None:
        built = deployment(service(), "mock:1")["spec"]["template"]["spec"]["containers"]
        assert [one["image"] for one in built] == ["mock:1"]
        assert built[0]["command"] == [
            "mock-vllm", "serve", "facebook/opt-125m", "--served-model-name", "facebook/opt-125m",
            "publishers/llm/models/facebook/opt-125m", "m1", "--port", "8000", "--host", "0.0.0.0",
        ]  # fmt: skip

    def test_an_image_of_the_users_own_runs_vllm_with_the_repository_of_the_uri(self) -> None:
        command = self.container(image="vllm/vllm-openai:latest")["command"]
        assert command[:3] == ["vllm", "serve", "org/weights"]

    def test_a_command_of_the_users_own_is_left_alone(self) -> None:
        assert self.container(command=["/app/sim"], args=["--x"])["command"] == ["/app/sim"]

    def test_resources_and_other_containers_stay(self) -> None:
        limits = {"limits": {"nvidia.com/gpu": "1"}}
        template = {"containers": [{"name": "side"}, {"name": "main", "resources": limits}], "nodeSelector": {"a": "b"}}
        pod = deployment(service(template=template), "mock:1")["spec"]["template"]["spec"]
        assert pod["nodeSelector"] == {"a": "b"}
        assert [one["name"] for one in pod["containers"]] == ["main", "side"]
        assert pod["containers"][0]["resources"] == limits

    def test_replicas_are_written_only_when_given(self) -> None:
        assert "replicas" not in deployment(service(), "i")["spec"]
        assert deployment(service(replicas=0), "i")["spec"]["replicas"] == 0

    def test_the_service_selects_the_pods_and_leads_to_their_port(self) -> None:
        built, pods = workload_service(service()), deployment(service(), "i")["spec"]["template"]["metadata"]["labels"]
        assert built["spec"]["selector"].items() <= pods.items()
        assert built["spec"]["ports"][0]["port"] == 8000


class TestRoute:
    def test_the_rules_are_those_of_kserve_in_their_order(self) -> None:
        rules = http_route(service(), [MAAS])["spec"]["rules"]
        assert [rule["name"] for rule in rules] == [
            "v1-completions-path", "v1-chat-completions-path", "v1-responses-path", "v1-messages-path",
            "v1-model-routing",
            "v1-completions-publisher-path", "v1-chat-completions-publisher-path", "v1-responses-publisher-path",
            "v1-messages-publisher-path", "v1-publisher-path-catch-all", "v1-catch-all-path", "v1-catch-all-model-routing",
        ]  # fmt: skip
        assert {ref["name"] for rule in rules for ref in rule["backendRefs"]} == {"m1-kserve-workload-svc"}

    def test_a_path_is_rewritten_to_what_the_server_knows(self) -> None:
        rule = http_route(service(), [MAAS])["spec"]["rules"][1]
        assert rule["matches"][0]["path"] == {"type": "PathPrefix", "value": "/llm/m1/v1/chat/completions"}
        assert rule["filters"][0]["urlRewrite"]["path"]["replacePrefixMatch"] == "/v1/chat/completions"

    def test_the_header_selects_by_published_name(self) -> None:
        rules = http_route(service(), [MAAS])["spec"]["rules"]
        headers = [match["headers"][0] for rule in (rules[4], rules[11]) for match in rule["matches"]]
        assert {header["value"] for header in headers} == {"publishers/llm/models/facebook/opt-125m"}
        assert {header["name"] for header in headers} == {"X-Gateway-Model-Name"}
        assert "/v1/chat/completions" in [match["path"]["value"] for match in rules[4]["matches"]]

    def test_without_references_the_standard_gateway_serves(self) -> None:
        assert gateway_refs(service(router={"route": {}}), STANDARD_GATEWAY) == [STANDARD_GATEWAY]
        assert gateway_refs(service(router={"route": {}, "gateway": {"refs": []}}), STANDARD_GATEWAY) == [
            STANDARD_GATEWAY
        ]

    def test_a_named_gateway_replaces_the_standard_one(self) -> None:
        assert gateway_refs(service(), STANDARD_GATEWAY) == [MAAS]
        parents = http_route(service(), [MAAS])["spec"]["parentRefs"]
        assert [(ref["namespace"], ref["name"]) for ref in parents] == [("openshift-ingress", "maas-default-gateway")]

    def route(self, conditions: list[dict[str, Any]] | None, generation: int = 1) -> dict[str, Any]:
        built = http_route(service(), [MAAS])
        built["metadata"] |= {"generation": generation}
        if conditions is not None:
            built["status"] = {"parents": [{"parentRef": built["spec"]["parentRefs"][0], "conditions": conditions}]}
        return built

    def test_a_route_is_in_force_when_each_parent_accepted_this_generation(self) -> None:
        assert not_ready(self.route(said("Accepted", "ResolvedRefs"))) == ""

    @pytest.mark.parametrize(
        ("conditions", "generation", "why"),
        [
            (None, 1, "has not accepted"),
            (said("ResolvedRefs"), 1, "has not accepted"),
            (said("-Accepted", "ResolvedRefs"), 1, "Accepted is not True"),
            (said("Accepted", "-ResolvedRefs"), 1, "ResolvedRefs is not True"),
            (said("Accepted"), 1, "ResolvedRefs is not True"),
            (said("Accepted", "ResolvedRefs"), 2, "has not seen the latest"),
        ],
    )
    def test_anything_less_is_said(self, conditions: list[dict[str, Any]] | None, generation: int, why: str) -> None:
        assert why in not_ready(self.route(conditions, generation))


class TestAddresses:
    def gateway(
        self, *listeners: dict[str, Any], urls: str | None = None, address: str = "203.0.113.7"
    ) -> dict[str, Any]:
        metadata = {"annotations": {LISTENER_URLS: urls}} if urls else {}
        status = {"addresses": [{"value": address}]} if address else {}
        return made(
            "Gateway", MAAS.name, MAAS.namespace, metadata=metadata, spec={"listeners": list(listeners)}, status=status
        )

    HTTPS: ClassVar = {"name": "https", "protocol": "HTTPS", "port": 443, "hostname": "maas.example.com"}
    HTTP: ClassVar = {"name": "http", "protocol": "HTTP", "port": 8080}

    def urls(self, gateway: dict[str, Any], section: str = "") -> list[str]:
        return [one.url for one in addresses(service(), [(GatewayRef(MAAS.namespace, MAAS.name, section), gateway)])]

    def test_each_listener_gives_a_root_a_path_and_a_publisher_address(self) -> None:
        assert self.urls(self.gateway(self.HTTPS)) == [
            "https://maas.example.com/",
            "https://maas.example.com/llm/m1",
            "https://maas.example.com/publishers/llm/models/facebook/opt-125m",
        ]

    def test_names_models_and_url_follow_the_path(self) -> None:
        found = addresses(service(), [(MAAS, self.gateway(self.HTTPS))])
        assert [one.name for one in found] == ["gateway-external-model-routing", "gateway-external", "gateway-external"]
        assert found[0].models == ("publishers/llm/models/facebook/opt-125m",)
        assert found[1].models == ("publishers/llm/models/facebook/opt-125m", "facebook/opt-125m")
        assert preferred_url(service(), found) == "https://maas.example.com/llm/m1"

    def test_unusual_ports_show_and_addresses_stand_in_for_hostnames(self) -> None:
        assert self.urls(self.gateway(self.HTTP))[0] == "http://203.0.113.7:8080/"

    def test_no_address_no_url(self) -> None:
        assert self.urls(self.gateway(self.HTTPS, address="")) == []

    def test_a_section_limits_to_its_listener(self) -> None:
        assert self.urls(self.gateway(self.HTTPS, self.HTTP), "http")[0] == "http://203.0.113.7:8080/"
        assert len(self.urls(self.gateway(self.HTTPS, self.HTTP), "http")) == 3

    def test_what_a_laptops_gateway_announces_goes_before_its_listeners(self) -> None:
        gateway = self.gateway(self.HTTPS, self.HTTP, urls='{"http": "http://127.0.0.1:41234"}')
        assert self.urls(gateway)[0] == "http://127.0.0.1:41234/"
        assert len(self.urls(gateway)) == 3

    def test_a_malformed_announcement_counts_as_none(self) -> None:
        assert self.urls(self.gateway(self.HTTPS, urls="{"))[0] == "https://maas.example.com/"

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("https://maas.example.com/", "gateway-external-model-routing"),
            ("http://127.0.0.1:8080/llm/m1", "gateway-external"),
            ("http://10.1.2.3/", "internal-model-routing"),
            ("http://maas.localhost/x", "internal"),
            ("http://gw.ns.svc.cluster.local/", "gateway-internal-model-routing"),
        ],
    )
    def test_addresses_are_named_by_host_and_path(self, url: str, name: str) -> None:
        assert address_name(url) == name


class TestStatus:
    def observed(self, subject: dict[str, Any], **changes: Any) -> dict[str, Any]:
        live = made("Deployment", "m1-kserve", status={"observedGeneration": 1, "conditions": said("Available")})
        seen: dict[str, Any] = {
            "service": subject, "deployment": live, "gateways": None, "route": None, "gateways_named": True, "routed": True,
        }  # fmt: skip
        return written_status(Observation(**(seen | changes)), "now")

    def ready(self, written: dict[str, Any]) -> tuple[str, str]:
        found = find(written["conditions"], "Ready") or {}
        return found["status"], found.get("reason", "")

    def test_ready_when_workload_gateway_and_route_are(self) -> None:
        written = self.observed(service())
        assert self.ready(written) == ("True", "")
        assert [entry["type"] for entry in written["conditions"]] == [
            "GatewaysReady", "HTTPRoutesReady", "MainWorkloadReady", "PresetsCombined", "Ready", "RouterReady", "WorkloadsReady",
        ]  # fmt: skip

    def test_a_deployment_that_is_not_available_is_not_ready(self) -> None:
        live = made("Deployment", "d", status={"observedGeneration": 1, "conditions": said("-Available")})
        assert self.ready(self.observed(service(), deployment=live)) == ("False", "Because")

    def test_a_deployment_whose_latest_form_nobody_took_up_is_not_ready(self) -> None:
        live = made(
            "Deployment",
            "d",
            metadata={"generation": 2},
            status={"observedGeneration": 1, "conditions": said("Available")},
        )
        assert self.ready(self.observed(service(), deployment=live)) == ("False", "Progressing")

    def test_no_replicas_no_readiness(self) -> None:
        assert self.ready(self.observed(service(replicas=0))) == ("False", "MinimumReplicasUnavailable")

    def test_a_route_in_trouble_is_not_ready(self) -> None:
        assert self.ready(self.observed(service(), route=Trouble("HTTPRoutesNotReady", "x"))) == (
            "False",
            "HTTPRoutesNotReady",
        )

    def test_a_missing_gateway_shows_only_where_one_is_named(self) -> None:
        written = self.observed(service(), gateways=Trouble("RefsInvalid", "x"), gateways_named=False)
        assert find(written["conditions"], "GatewaysReady") is None

    def test_stopped_says_so_everywhere_and_drops_addresses(self) -> None:
        subject = service()
        subject["metadata"]["annotations"] = {STOP: "True"}
        written = self.observed(subject)
        assert self.ready(written) == ("False", "Stopped")
        assert "addresses" not in written

    def test_conditions_of_features_that_went_go(self) -> None:
        subject = service()
        subject["status"] = {"conditions": said("GatewaysReady", "TierAccessReady")}
        written = self.observed(subject, gateways_named=False)
        assert find(written["conditions"], "GatewaysReady") is None
        assert find(written["conditions"], "TierAccessReady") is None


class TestTiers:
    def annotated(self, value: str | None) -> dict[str, Any]:
        subject = service()
        subject["metadata"]["annotations"] = {} if value is None else {ANNOTATION: value}
        return subject

    @pytest.mark.parametrize(
        ("value", "tiers"),
        [
            (None, ()),
            ("[]", ("free", "premium", "enterprise")),
            (json.dumps(["premium", "enterprise"]), ("premium", "enterprise")),
        ],
    )
    def test_the_annotation_grants(self, value: str | None, tiers: tuple[str, ...]) -> None:
        assert granted_tiers(self.annotated(value)) == tiers

    @pytest.mark.parametrize(
        "value", ["not-json", '"premium"', "{}", "[1]", '["platinum"]', '["premium", "platinum"]', "null"]
    )
    def test_what_is_malformed_grants_nothing_and_is_explained(self, value: str) -> None:
        with pytest.raises(MalformedTiersError, match="expected a JSON list of tiers"):
            granted_tiers(self.annotated(value))

    def test_role_and_binding_are_for_this_model_and_that_tier(self) -> None:
        made_role, binding = role(service(), "premium"), role_binding(service(), "premium")
        assert made_role["rules"] == [
            {
                "apiGroups": ["serving.kserve.io"],
                "resources": ["llminferenceservices"],
                "resourceNames": ["m1"],
                "verbs": ["post"],
            }
        ]
        assert binding["subjects"][0]["name"] == "system:serviceaccounts:maas-default-gateway-tier-premium"
        assert binding["roleRef"]["name"] == made_role["metadata"]["name"]


class TestGatewayNews:
    """Each model that comes changes its gateway's status: if that woke all models, a hundredth would cost a hundred times the first."""

    GATEWAY: ClassVar[dict[str, Any]] = {
        "metadata": {"name": "g", "namespace": "i", "resourceVersion": "1", "annotations": {LISTENER_URLS: "{}"}},
        "spec": {"listeners": [{"name": "http"}]},
        "status": {
            "addresses": [{"value": "127.0.0.1"}],
            "conditions": [{"type": "Programmed", "status": "True"}],
            "listeners": [{"name": "http", "attachedRoutes": 1}],
        },
    }

    def changed(self, part: str, **fields: Any) -> dict[str, Any]:
        return self.GATEWAY | {part: self.GATEWAY[part] | fields}

    def test_another_count_of_routes_is_none_to_models(self) -> None:
        counted = self.changed("status", listeners=[{"name": "http", "attachedRoutes": 2}])
        counted["metadata"] = counted["metadata"] | {"resourceVersion": "2"}
        assert what_models_use(counted) == what_models_use(self.GATEWAY)

    @pytest.mark.parametrize(
        ("part", "fields"),
        [
            ("spec", {"listeners": []}),
            ("status", {"addresses": []}),
            ("status", {"conditions": [{"type": "Programmed", "status": "False"}]}),
            ("metadata", {"annotations": {LISTENER_URLS: '{"http": "http://127.0.0.1:1"}'}}),
        ],
    )
    def test_what_urls_and_readiness_are_made_of_is_news(self, part: str, fields: dict[str, Any]) -> None:
        assert what_models_use(self.changed(part, **fields)) != what_models_use(self.GATEWAY)


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (None, "False", None),
        ("False", "False", None),
        ("True", "True", None),
        (None, "True", ("Normal", "LLMInferenceServiceReady")),
        ("False", "True", ("Normal", "LLMInferenceServiceReady")),
        ("True", "False", ("Warning", "LLMInferenceServiceNotReady")),
    ],
)
def test_an_event_tells_of_readiness_that_came_or_went(was: str | None, now: str, told: tuple[str, str] | None) -> None:
    event = readiness_event(was, {"type": "Ready", "status": now, "reason": "R", "message": "m"})
    assert (event[:2] if event else None) == told
