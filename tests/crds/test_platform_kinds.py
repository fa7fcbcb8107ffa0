"""What the platform relies on of Gateway API, Kuadrant and KServe kinds: defaults, bounds, rules, versions."""

from typing import Any

import pytest

from .kinds import REMOVE, Kinds

RULE = "spec.rules.0"
PREFIX = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
REDIRECT = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https"}}


def test_route_defaults(kinds: Kinds) -> None:
    spec = kinds.created(
        "httproutes", {"spec.rules.0.matches": [{"headers": [{"name": "X-Gateway-Model-Name", "value": "m"}]}, {}]}
    )["spec"]
    assert spec["parentRefs"] == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}]
    root = {"type": "PathPrefix", "value": "/"}
    header = {"type": "Exact", "name": "X-Gateway-Model-Name", "value": "m"}
    assert spec["rules"][0]["matches"] == [{"headers": [header], "path": root}, {"path": root}]
    assert spec["rules"][0]["backendRefs"] == [{"group": "", "kind": "Service", "name": "s", "port": 80, "weight": 1}]
    assert kinds.created("httproutes", {"spec.rules": REMOVE})["spec"]["rules"] == [{"matches": [{"path": root}]}]


@pytest.mark.parametrize(
    "edits",
    [
        {f"{RULE}.filters": [PREFIX], f"{RULE}.matches": [{"path": {"type": "PathPrefix", "value": "/llm/m/v1/chat"}}]},
        {f"{RULE}.timeouts": {"request": "0s", "backendRequest": "0s"}},
        {f"{RULE}.timeouts": {"request": "300s"}},
        {f"{RULE}.name": "v1-catch-all-path"},
        {"spec.hostnames": ["maas.example.com", "*.example.com"]},
        {"spec.rules": [{"name": f"r{number}", "matches": [{}] * 8} for number in range(16)]},
        {f"{RULE}.filters": [REDIRECT], f"{RULE}.backendRefs": []},
        {f"{RULE}.backendRefs": [{"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": "p"}]},
        {
            f"{RULE}.filters": [
                {
                    "type": "RequestHeaderModifier",
                    "requestHeaderModifier": {"set": [{"name": "Host", "value": "api.example.com"}]},
                }
            ]
        },
    ],
)
def test_route_accepted(kinds: Kinds, edits: dict[str, Any]) -> None:
    strict = kinds.create("httproutes", edits, fieldValidation="Strict")
    assert strict.status_code == 201, strict.text


@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec.parentRefs": [{"name": "g"}] * 33}, "parentRefs"),
        ({"spec.hostnames": ["a.example"] * 17}, "hostnames"),
        ({"spec.hostnames": ["https://a.example"]}, "hostnames"),
        ({"spec.rules": []}, "rules"),
        ({"spec.rules": [{}] * 17}, "rules"),
        ({"spec.rules": [{"matches": [{}] * 9} for _ in range(16)]}, "128"),
        ({"spec.rules": [{"name": "same"}, {"name": "same"}]}, "different names"),
        ({f"{RULE}.matches": [{}] * 65}, "matches"),
        ({f"{RULE}.matches": [{"path": {"value": "v1"}}]}, "starts with /"),
        ({f"{RULE}.matches": [{"path": {"type": "Exact", "value": "/a//b"}}]}, "//"),
        ({f"{RULE}.matches": [{"method": "BREW"}]}, "method"),
        ({f"{RULE}.backendRefs": [{"name": "s"}]}, "port"),
        ({f"{RULE}.backendRefs": [{"name": "s", "port": 80, "weight": 1_000_001}]}, "weight"),
        ({f"{RULE}.filters": [PREFIX], f"{RULE}.matches": [{"path": {"type": "Exact", "value": "/a"}}]}, "PathPrefix"),
        ({f"{RULE}.filters": [PREFIX], f"{RULE}.matches": [{}, {}]}, "exactly one match"),
        ({f"{RULE}.filters": [REDIRECT]}, "no backendRefs"),
        ({f"{RULE}.filters": [REDIRECT, PREFIX], f"{RULE}.backendRefs": []}, "exclude each other"),
        ({f"{RULE}.filters": [PREFIX, PREFIX], f"{RULE}.matches": [{}]}, "at most once"),
        ({f"{RULE}.filters": [{"type": "URLRewrite"}]}, "URLRewrite"),
        ({f"{RULE}.timeouts": {"request": "1s", "backendRequest": "2s"}}, "not longer"),
        ({f"{RULE}.timeouts": {"request": "1 s"}}, "request"),
    ],
)
def test_route_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("httproutes", edits)


def test_route_status(kinds: Kinds) -> None:
    name = kinds.created("httproutes")["metadata"]["name"]
    condition = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "lastTransitionTime": "2026-08-21T10:00:00Z",
    }
    parent = {
        "parentRef": {"name": "gw"},
        "controllerName": "openshift.io/gateway-controller/v1",
        "conditions": [condition],
    }
    kept = kinds.set_status("httproutes", name, {"parents": [parent]})
    assert kept.status_code == 200, kept.text
    assert kept.json()["status"]["parents"][0]["parentRef"]["kind"] == "Gateway"
    assert kinds.set_status("httproutes", name, {"parents": [parent | {"conditions": None}]}).status_code == 422


LISTENER = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "c"}]}}


@pytest.mark.row("MAAS-GW-002")
def test_gateway_defaults(kinds: Kinds) -> None:
    created = kinds.created("gateways", {"spec.listeners": [LISTENER]})
    listener = created["spec"]["listeners"][0]
    assert listener["allowedRoutes"] == {"namespaces": {"from": "Same"}}
    assert listener["tls"] == {"mode": "Terminate", "certificateRefs": [{"group": "", "kind": "Secret", "name": "c"}]}


def test_a_gateway_waits_for_its_controller(kinds: Kinds) -> None:
    name = kinds.created("gateways")["metadata"]["name"]
    found = kinds.client.get(f"{kinds.path('gateways')}/{name}").json()
    assert [(item["type"], item["status"], item["reason"]) for item in found["status"]["conditions"]] == [
        ("Accepted", "Unknown", "Pending"),
        ("Programmed", "Unknown", "Pending"),
    ]


@pytest.mark.row("MAAS-GW-002")
def test_gateway_status_and_selector(kinds: Kinds) -> None:
    selector = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["llm"]}]}
    routes = {"namespaces": {"from": "Selector", "selector": selector}, "kinds": [{"kind": "HTTPRoute"}]}
    created = kinds.created("gateways", {"spec.listeners": [LISTENER | {"allowedRoutes": routes}]})
    assert created["spec"]["listeners"][0]["allowedRoutes"]["namespaces"]["selector"] == selector
    condition = {
        "type": "Programmed",
        "status": "True",
        "reason": "Programmed",
        "message": "",
        "lastTransitionTime": "2026-08-21T10:00:00Z",
    }
    status = {
        "addresses": [{"type": "Hostname", "value": "maas.example.com"}],
        "conditions": [condition],
        "listeners": [
            {"name": "https", "attachedRoutes": 2, "supportedKinds": [{"kind": "HTTPRoute"}], "conditions": [condition]}
        ],
    }
    kept = kinds.set_status("gateways", created["metadata"]["name"], status)
    assert kept.status_code == 200, kept.text
    assert kept.json()["status"]["listeners"][0]["attachedRoutes"] == 2


@pytest.mark.parametrize(
    ("listeners", "place"),
    [
        ([], "listeners"),
        ([LISTENER | {"port": 0}], "port"),
        ([LISTENER | {"hostname": "https://a"}], "hostname"),
        ([LISTENER | {"protocol": "HTTP"}], "no tls"),
        ([LISTENER | {"tls": {"mode": "Passthrough"}}], "terminates TLS"),
        ([LISTENER, LISTENER | {"port": 444}], "https"),
        ([LISTENER, LISTENER | {"name": "other"}], "share port"),
        ([LISTENER | {"allowedRoutes": {"namespaces": {"from": "Some"}}}], "from"),
    ],
)
def test_gateway_refused(kinds: Kinds, listeners: list[dict[str, Any]], place: str) -> None:
    assert place in kinds.refused("gateways", {"spec.listeners": listeners})


def test_a_classs_controller_cannot_be_changed(kinds: Kinds) -> None:
    path = "/apis/gateway.networking.k8s.io/v1/gatewayclasses"
    body = {"metadata": {"name": kinds.namespace}, "spec": {"controllerName": "openshift.io/gateway-controller/v1"}}
    body |= {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass"}
    created = kinds.client.post(path, json=body)
    assert created.status_code == 201, created.text
    headers = {"Content-Type": "application/merge-patch+json"}
    changed = kinds.client.patch(
        f"{path}/{kinds.namespace}", json={"spec": {"controllerName": "istio.io/other"}}, headers=headers
    )
    assert changed.status_code == 422
    assert "cannot be changed" in changed.json()["message"]
    kinds.client.delete(f"{path}/{kinds.namespace}").raise_for_status()


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_reference_grants_in_both_versions(kinds: Kinds, version: str) -> None:
    path = f"/apis/gateway.networking.k8s.io/{version}/namespaces/{kinds.namespace}/referencegrants"
    grant = {"from": [{"group": "g", "kind": "HTTPRoute", "namespace": "a"}], "to": [{"group": "", "kind": "Service"}]}
    body = {
        "apiVersion": f"gateway.networking.k8s.io/{version}",
        "kind": "ReferenceGrant",
        "metadata": {"name": "g"},
        "spec": grant,
    }
    assert kinds.client.post(path, json=body).status_code == 201
    other = path.replace(f"/{version}/", "/v1/" if version == "v1beta1" else "/v1beta1/")
    assert kinds.client.get(f"{other}/g").json()["spec"] == grant
    assert (
        kinds.client.post(path, json=body | {"metadata": {"name": "h"}, "spec": grant | {"to": []}}).status_code == 422
    )


@pytest.mark.row("MAAS-RATE-015")
def test_token_limits_accepted(kinds: Kinds) -> None:
    limit = {
        "rates": [{"limit": 100, "window": "1m"}, {"limit": 1000, "window": "24h"}],
        "when": [{"predicate": 'auth.identity.selected_subscription_key == "a/b@c/d"'}],
        "counters": [{"expression": "auth.identity.userid"}],
    }
    created = kinds.created("tokenratelimitpolicies", {"spec.limits": {"a-b-c-tokens": limit}})
    assert created["spec"]["limits"] == {"a-b-c-tokens": limit}
    target = created["spec"]["targetRef"]
    for key, value in {
        "defaults": {"limits": {"a": limit}},
        "overrides": {"strategy": "merge", "limits": {"a": limit}},
    }.items():
        body = {"spec": {"targetRef": target, key: value}}
        assert kinds.created("tokenratelimitpolicies", body)["spec"][key]["limits"] == {"a": limit}


@pytest.mark.parametrize(
    ("edits", "place"),
    [
        ({"spec.targetRef.kind": "Service"}, "targetRef.kind"),
        ({"spec.targetRef.group": "apps"}, "targetRef.group"),
        ({"spec.targetRef": REMOVE}, "targetRef"),
        ({"spec.limits": {}}, "at least one limit"),
        ({"spec.limits": REMOVE}, "at least one limit"),
        ({"spec.limits.a.rates.0.window": "1d"}, "window"),
        ({"spec.limits.a.rates.0.limit": "many"}, "limit"),
        ({"spec.defaults": {"limits": {"a": {}}}}, "defaults exclude"),
        ({"spec.overrides": {"limits": {"a": {}}}}, "overrides exclude"),
    ],
)
def test_token_limits_refused(kinds: Kinds, edits: dict[str, Any], place: str) -> None:
    assert place in kinds.refused("tokenratelimitpolicies", edits)


def test_auth_policies_keep_what_an_authorizer_reads(kinds: Kinds) -> None:
    rules = {
        "authentication": {
            "tokens": {"kubernetesTokenReview": {"audiences": ["a"]}, "priority": 2, "when": [{"predicate": "x"}]}
        },
        "authorization": {"rego": {"opa": {"rego": "allow = true"}}},
        "response": {"success": {"headers": {"x": {"plain": {"expression": "y"}}}}, "unauthorized": {"code": 403}},
    }
    assert kinds.created("authpolicies", {"spec.defaults": {"rules": rules}})["spec"]["defaults"]["rules"] == rules
    assert "defaults exclude" in kinds.refused("authpolicies", {"spec.rules": {}})
    assert "exclude each other" in kinds.refused("authpolicies", {"spec.overrides": {"rules": {}}})


@pytest.mark.row("MAAS-LLM-001")
def test_models_in_both_versions(kinds: Kinds) -> None:
    router = {"route": {}, "gateway": {"refs": [{"name": "maas-default-gateway", "namespace": "openshift-ingress"}]}}
    containers = [
        {
            "name": "main",
            "image": "vllm/vllm-openai:latest",
            "resources": {"limits": {"nvidia.com/gpu": "1", "memory": "12Gi"}},
        }
    ]
    edits = {
        "spec.model.name": "Qwen/Qwen3-0.6B",
        "spec.replicas": 1,
        "spec.router": router,
        "spec.template": {"containers": containers},
    }
    created = kinds.created("llminferenceservices", edits)
    name = created["metadata"]["name"]
    assert created["spec"]["template"]["containers"] == containers
    newer = kinds.path("llminferenceservices", "serving.kserve.io/v1alpha2")
    found = kinds.client.get(f"{newer}/{name}").json()
    assert (found["apiVersion"], found["spec"]) == ("serving.kserve.io/v1alpha2", created["spec"])
    address = {"name": "gateway-external", "url": "https://a.example/llm/m"}
    models = [{"name": "publishers/llm/models/m"}]
    condition = {
        "type": "GatewaysReady",
        "status": "True",
        "severity": "Info",
        "lastTransitionTime": "2026-08-21T10:00:00Z",
    }
    status = {
        "url": address["url"],
        "addresses": [address | {"models": models}],
        "conditions": [condition],
        "router": {"gateways": [{"name": "g"}]},
    }
    headers = {"Content-Type": "application/merge-patch+json"}
    written = kinds.client.patch(f"{newer}/{name}/status", json={"status": status}, headers=headers)
    assert written.json()["status"] == status
    older = kinds.client.get(f"{kinds.path('llminferenceservices')}/{name}").json()["status"]
    assert (older["url"], older["addresses"]) == (address["url"], [address])


def test_a_model_needs_an_address_of_its_weights(kinds: Kinds) -> None:
    for edits, place in (
        ({"spec.model": REMOVE}, "spec.model"),
        ({"spec.model": {"name": "m"}}, "spec.model.uri"),
        ({"spec.replicas": -1}, "spec.replicas"),
        ({"spec.replicas": 1, "spec.scaling": {"maxReplicas": 2}}, "exclude each other"),
        ({"spec.router": {"gateway": {"refs": [{"namespace": "a"}]}}}, "name"),
    ):
        assert place in kinds.refused("llminferenceservices", edits)


@pytest.mark.parametrize(
    ("plural", "columns"),
    [
        ("llminferenceservices", "URL READY REASON AGE URLS*"),
        ("httproutes", "HOSTNAMES AGE"),
        ("gateways", "CLASS ADDRESS PROGRAMMED AGE"),
    ],
)
def test_columns(kinds: Kinds, plural: str, columns: str) -> None:
    assert kinds.columns(plural) == [(name.rstrip("*"), 1 if name.endswith("*") else 0) for name in columns.split()]
