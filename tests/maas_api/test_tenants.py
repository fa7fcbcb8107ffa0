"""`/v1/tenants`: who may ask, and what address is told."""

from typing import Any

import pytest

from harness.simulator.maas_api.kubernetes import KubernetesError

from .instance import Instance

TOKEN = {"Authorization": "Bearer good"}


def gateway(
    listeners: list[dict[str, Any]], attached: dict[str, int] | None = None, address: str = ""
) -> dict[str, Any]:
    status: dict[str, Any] = {
        "listeners": [{"name": name, "attachedRoutes": count} for name, count in (attached or {}).items()]
    }
    if address:
        status["addresses"] = [{"type": "Hostname", "value": address}]
    return {"spec": {"listeners": listeners}, "status": status}


def listener(name: str, protocol: str, port: int, hostname: str = "") -> dict[str, Any]:
    return {"name": name, "protocol": protocol, "port": port} | ({"hostname": hostname} if hostname else {})


HTTPS = listener("https", "HTTPS", 443, "maas.example.com")
HTTP = listener("http", "HTTP", 80, "plain.example.com")


@pytest.fixture
def known(maas: Instance) -> Instance:
    maas.cluster.tokens.add("good")
    maas.cluster.found = gateway([HTTPS], {"https": 1})
    return maas


@pytest.mark.row("MAAS-TEN-001")
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic eDp5"}, {"Authorization": "bearer good"}, {"Authorization": "Bearer"}]
)
def test_a_token_is_required(known: Instance, headers: dict[str, str]) -> None:
    response = known.anonymous.get("/v1/tenants", headers=headers)
    assert response.status_code == 401
    assert response.json()["error"] == "Authentication required"
    assert set(response.json()) == {"error", "details"}


@pytest.mark.row("MAAS-TEN-002", "MAAS-TEN-003")
@pytest.mark.parametrize("token", ["bogus", "sk-oai-a_b"])
def test_another_token_is_refused(known: Instance, token: str) -> None:
    response = known.anonymous.get("/v1/tenants", headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 401
    assert response.json()["error"] == "Authentication failed"
    assert token not in response.text


@pytest.mark.row("MAAS-TEN-004")
def test_the_tenant_and_its_gateway(known: Instance) -> None:
    response = known.anonymous.get("/v1/tenants", headers=TOKEN)
    assert (response.status_code, response.json()) == (
        200,
        {
            "tenants": [
                {
                    "name": "models-as-a-service",
                    "gateway": {
                        "name": "maas-default-gateway",
                        "namespace": "openshift-ingress",
                        "protocol": "https",
                        "externalUrl": "https://maas.example.com",
                        "port": 443,
                    },
                }
            ]
        },
    )


@pytest.mark.row("MAAS-TEN-005")
@pytest.mark.parametrize(
    ("found", "url"),
    [
        (gateway([HTTP, HTTPS], {"http": 3, "https": 1}), "https://maas.example.com"),
        (gateway([HTTP, HTTPS], {"http": 3, "https": 0}), "http://plain.example.com"),
        (
            gateway([listener("tls", "TLS", 8443, "t.example.com"), HTTP], {"tls": 1, "http": 1}),
            "https://t.example.com:8443",
        ),
        (gateway([listener("h", "HTTP", 8080, "h.example.com")], {"h": 1}), "http://h.example.com:8080"),
        (gateway([listener("h", "HTTPS", 443)], {"h": 1}, "203.0.113.7"), "https://203.0.113.7"),
        (gateway([HTTP, HTTPS], {}, "lb.example.com"), "https://lb.example.com"),
        (gateway([listener("tcp", "TCP", 9000), HTTP], {"tcp": 5, "http": 1}), "http://plain.example.com"),
    ],
)
def test_the_best_listener_decides_the_address(known: Instance, found: dict[str, Any], url: str) -> None:
    known.cluster.found = found
    described = known.anonymous.get("/v1/tenants", headers=TOKEN).json()["tenants"][0]["gateway"]
    assert described["externalUrl"] == url
    assert described["externalUrl"].startswith(described["protocol"] + "://")
    assert isinstance(described["port"], int)


@pytest.mark.row("MAAS-TEN-006")
@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        (404, 404, "Gateway not found"),
        (403, 403, "Access to Gateway forbidden"),
        (504, 504, "Gateway lookup timed out"),
        (500, 500, "Failed to fetch Gateway"),
        (0, 500, "Failed to fetch Gateway"),
    ],
)
def test_a_gateway_that_cannot_be_read(known: Instance, code: int, status: int, error: str) -> None:
    known.cluster.found = KubernetesError(code, "internal text")
    response = known.anonymous.get("/v1/tenants", headers=TOKEN)
    assert (response.status_code, response.json()["error"]) == (status, error)
    assert set(response.json()) == {"error", "details"}
    assert "internal text" not in response.text


@pytest.mark.row("MAAS-TEN-007")
@pytest.mark.parametrize("address", ["", "gw.openshift-ingress.svc.cluster.local"])
def test_an_address_inside_the_cluster_is_none(known: Instance, address: str) -> None:
    known.cluster.found = gateway([listener("h", "HTTPS", 443)], {"h": 1}, address)
    response = known.anonymous.get("/v1/tenants", headers=TOKEN)
    assert (response.status_code, response.json()["error"]) == (500, "Failed to resolve gateway")


@pytest.mark.row("MAAS-TEN-009")
def test_the_gateway_does_not_forward_to_it(known: Instance, upstream: Instance) -> None:
    forwarded = TOKEN | {"X-MaaS-Username": "alice", "X-MaaS-Group": '["a"]'}
    assert known.anonymous.get("/v1/tenants", headers=forwarded).status_code == 404
    upstream.cluster.tokens.add("good")
    upstream.cluster.found = gateway([HTTPS], {"https": 1})
    assert upstream.anonymous.get("/v1/tenants", headers=forwarded).status_code == 200


@pytest.mark.row("MAAS-TEN-010")
def test_each_instance_tells_of_its_own_tenant(known: Instance, make_instance: Any) -> None:
    other = make_instance(tenant="blue", gateway_name="blue-gateway", gateway_namespace="edge")
    other.cluster.tokens.add("good")
    other.cluster.found = gateway([listener("https", "HTTPS", 443, "blue.example.com")], {"https": 1})
    described = other.anonymous.get("/v1/tenants", headers=TOKEN).json()["tenants"][0]
    assert (described["name"], described["gateway"]["name"], described["gateway"]["namespace"]) == (
        "blue",
        "blue-gateway",
        "edge",
    )
    assert described["gateway"]["externalUrl"] == "https://blue.example.com"
    assert known.anonymous.get("/v1/tenants", headers=TOKEN).json()["tenants"][0]["name"] == "models-as-a-service"
