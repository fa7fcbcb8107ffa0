"""Providers outside, as pure functions: who a route leads to, what cannot be called, and what Envoy is told of it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from harness.simulator.gateway.credential_files import CredentialFiles
from harness.simulator.gateway.envoy_config.clusters import cluster
from harness.simulator.gateway.envoy_config.outside import Outside, credential_file, lua_string, tls
from harness.simulator.gateway.plan.backends import Backend, Endpoints, backend
from harness.simulator.gateway.plan.matching import Match, header_changes, rewrite
from harness.simulator.gateway.plan.providers import in_cluster
from harness.simulator.gateway.plan.snapshot import Snapshot

HOST = "api.example.com"
ANY = Match("PathPrefix", "/", "", (), (), False)


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def named(name: str, **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "llm", **rest.pop("metadata", {})}
    return {"metadata": metadata, **rest}


def route(group: str = "inference.opendatahub.io") -> dict[str, Any]:
    owner = {"apiVersion": f"{group}/v1alpha1", "kind": "ExternalModel", "name": "gpt", "uid": "1"}
    return named("gpt", metadata={"ownerReferences": [owner]}, spec={})


def snapshot(**changes: Any) -> Snapshot:
    reference = {"ref": {"name": "p"}, "targetModel": "t", "apiFormat": "chat"} | changes.pop("reference", {})
    endpoint = changes.pop("endpoint", HOST)
    provider = {"provider": "openai", "endpoint": endpoint, "auth": {"type": "apikey", "secretRef": {"name": "key"}}}
    service = {"type": "ExternalName", "externalName": HOST, "ports": [{"name": "https", "port": 443}]}
    return Snapshot(
        services={("llm", "p"): named("p", spec=service | changes.pop("service", {}))},
        external_models={("llm", "gpt"): named("gpt", spec={"externalProviderRefs": [reference]})},
        external_providers={("llm", "p"): named("p", metadata=changes.pop("metadata", {}), spec=provider)},
        secrets={("llm", "key"): named("key", data=changes.pop("data", {"api-key": coded("k-1\n")}))},
    )


def resolved(found: Snapshot, owner: dict[str, Any] | None = None) -> Backend:
    return backend(owner or route(), 0, {"name": "p", "port": 443}, found, Endpoints(found))


def test_a_provider_is_a_name_with_tls_and_a_key_that_no_text_of_the_plan_shows() -> None:
    found = resolved(snapshot())
    assert found.cluster is not None
    assert (found.cluster.by_name, found.cluster.tls, found.cluster.endpoints) == (True, True, ((HOST, 443),))
    assert found.key == "Bearer k-1"
    rendered = json.dumps(cluster(found.cluster, Path("/keys")))
    assert "k-1" not in rendered + repr(found)
    assert f"/keys/{credential_file('llm/key/authorization')}" in rendered
    assert '"no_default_search_domain": true' in rendered


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": {}}, "expected a Secret llm/key with an entry api-key"),
        ({"data": {"api-key": "%%%"}}, "is no base64 of a text"),
        ({"data": {"api-key": coded("two\nlines")}}, "no key of printable ASCII"),
        ({"data": {"api-key": coded("clé")}}, "no key of printable ASCII"),
        ({"data": {"api-key": coded(" \n")}}, "no key of printable ASCII"),
        ({"endpoint": "other.example.com"}, "leads to api.example.com, the provider is other.example.com"),
        ({"reference": {"ref": {"name": "q"}}}, "names no ExternalProvider p that exists"),
        ({"reference": {"auth": {"type": "oauth2"}}}, "type oauth2 is not known here"),
        ({"metadata": {"annotations": {"maas-conformance.dev/ca-secret": "ca"}}}, "expected a Secret llm/ca"),
        ({"service": {"externalName": "10.1.2.3"}}, "expected the DNS name of a provider, came 10.1.2.3"),
        ({"service": {"externalName": "x.LocalHost."}}, "expected the DNS name of a provider"),
        (
            {"service": {"externalName": "a.other.svc"}, "endpoint": "a.other.svc"},
            "no ReferenceGrant admits the Service other/a",
        ),
        ({"service": {"externalName": "a.llm.svc"}}, "leads to a.llm.svc"),
    ],
)
def test_what_cannot_be_called_is_named_and_never_called(changes: dict[str, Any], said: str) -> None:
    found = resolved(snapshot(**changes))
    assert found.cluster is None
    assert found.key == ""
    assert said in found.message


def test_capitals_of_a_host_do_not_matter() -> None:
    found = resolved(snapshot(endpoint="API.Example.com")).cluster
    assert found is not None
    assert found.endpoints == ((HOST, 443),)


def test_a_route_of_a_model_that_does_not_exist_leads_nowhere() -> None:
    gone = resolved(snapshot(), route("maas.opendatahub.io"))
    assert gone.cluster is None
    assert "the ExternalModel llm/gpt does not exist" in gone.message


def test_a_plain_external_name_gets_no_key_and_none_of_the_callers() -> None:
    found = resolved(snapshot(), named("plain", spec={}))
    assert found.cluster is not None
    assert found.cluster.outside == Outside(HOST)
    assert '{"remove": "authorization"}' in json.dumps(cluster(found.cluster, Path("/keys")))


def test_a_host_is_the_routes_action_and_never_a_header() -> None:
    change = {"set": [{"name": "Host", "value": HOST}, {"name": "X-A", "value": "1"}], "remove": ["host", "X-B"]}
    rule = {"filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": change}]}
    assert rewrite(rule, ANY) == {"host_rewrite_literal": HOST}
    fields = header_changes(rule)
    assert [item["header"]["key"] for item in fields["request_headers_to_add"]] == ["X-A"]
    assert fields["request_headers_to_remove"] == ["X-B"]


def test_the_certificate_must_name_the_host() -> None:
    context = tls(Outside(HOST, "PEM"))["common_tls_context"]["validation_context"]
    assert context["trusted_ca"] == {"inline_string": "PEM"}
    assert context["match_typed_subject_alt_names"][0]["matcher"]["exact"] == HOST
    system = tls(Outside(HOST))["common_tls_context"]["validation_context"]["trusted_ca"]
    assert Path(system["filename"]).is_file()


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("a.b.svc", ("b", "a")),
        ("A.b.svc.cluster.local", ("b", "a")),
        ("a.b.c.svc", None),
        ("b.svc", None),
        ("a.b.svc.example.com", None),
        ("api.example.com", None),
    ],
)
def test_the_clusters_own_names(host: str, service: tuple[str, str] | None) -> None:
    assert in_cluster(host) == service


def test_a_lua_literal_cannot_be_left() -> None:
    assert lua_string('a"]]\n') == '"\\097\\034\\093\\093\\010"'


def test_keys_are_files_of_their_owner_alone_and_go_when_nothing_asks_for_them(tmp_path: Path) -> None:
    files = CredentialFiles(tmp_path)
    name = f"llm/{'s' * 253}/authorization"
    files.write({name: "Bearer one"})
    files.write({name: "Bearer two"})
    (path,) = files.folder.iterdir()
    assert json.loads(path.read_text())["resources"][0]["generic_secret"]["secret"]["inline_string"] == "Bearer two"
    assert (path.stat().st_mode & 0o777, files.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    files.forget({})
    assert list(files.folder.iterdir()) == []
