"""The OpenAPI document and the API agree, and no generated request breaks an instance."""

from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from pydantic import TypeAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from harness.simulator.maas_api import answers
from harness.simulator.maas_api.openapi import document

from .instance import Instance

schema = schemathesis.openapi.from_dict(document())


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An instance with something in every list."""
    maas = Instance(tmp_path_factory.mktemp("openapi") / "keys.db")
    annotations = {"openshift.io/display-name": "One", "opendatahub.io/model-capabilities": '["tools"]'}
    maas.model("m1", annotations=annotations)
    maas.model("ext", kind="ExternalModel", backend="gpt-4o", alias="gpt-4o")
    metadata = {"organizationId": "o", "costCenter": "c", "labels": {"a": "b"}}
    maas.subscription(
        "basic", ["m1", "ext"], users=("alice",), rate="0.1", token_metadata=metadata, annotations=annotations
    )
    maas.policy("access", ["m1", "ext"], users=("alice",))
    maas.cluster.administrators.add("alice")
    maas.cluster.tokens.add("good")
    maas.cluster.found = {
        "spec": {"listeners": [{"name": "https", "protocol": "HTTPS", "port": 443, "hostname": "a.example"}]},
        "status": {"listeners": [{"name": "https", "attachedRoutes": 1}]},
    }
    yield maas
    maas.close()


@schema.parametrize()
@hypothesis.settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck), database=None
)
def test_generated_requests_get_documented_answers(case: schemathesis.Case, busy: Instance) -> None:
    headers = (
        {}
        if case.operation.definition.raw["x-reach"] == "cluster"
        else {"X-MaaS-Username": "alice", "X-MaaS-Group": '["g"]'}
    )
    response = case.call(base_url=busy.url, headers=headers)
    case.validate_response(response, checks=[not_a_server_error, response_schema_conformance])


def _holds(model: Any, response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return TypeAdapter(model).validate_json(response.content, strict=True)


def test_full_answers_have_the_documented_form(busy: Instance) -> None:
    alice, cluster = busy.caller("alice"), busy.anonymous
    body = {"name": "a", "description": "b", "labels": {"a": "b"}}
    key = _holds(answers.CreatedKey, alice.post("/v1/api-keys", json=body), 201)
    assert _holds(answers.Validation, cluster.post("/internal/v1/api-keys/validate", json={"key": key.key})).root.valid
    busy.settle()
    described = _holds(answers.DescribedKey, alice.get(f"/v1/api-keys/{key.id}"))
    assert described.lastUsedAt
    assert described.labels
    assert _holds(answers.KeyPage, alice.post("/v1/api-keys/search", json={})).data
    assert _holds(answers.ModelList, alice.get("/v1/models")).data[0].modelDetails is None
    assert _holds(answers.ModelList, alice.get("/v1/models")).data[1].modelDetails
    assert _holds(answers.SubscriptionList, alice.get("/v1/subscriptions")).root[0].model_refs[0].billing_rate
    assert _holds(answers.SubscriptionList, alice.get("/v1/model/m1/subscriptions")).root
    assert _holds(answers.TenantList, cluster.get("/v1/tenants", headers={"Authorization": "Bearer good"})).tenants
    question = {"username": "alice", "groups": [], "requestedModel": "llm/m1"}
    assert _holds(answers.Selection, cluster.post("/internal/v1/subscriptions/select", json=question)).accessAllowed
    _holds(answers.NoSelection, cluster.post("/internal/v1/subscriptions/select", json={}))
    _holds(answers.KeyLimits, alice.get("/v1/api-keys/config"))
    _holds(answers.Revoked, alice.post("/v1/api-keys/bulk-revoke", json={"username": "alice", "dryRun": True}))
    _holds(answers.DescribedKey, alice.delete(f"/v1/api-keys/{key.id}"))
    _holds(answers.Deleted, cluster.post("/internal/v1/api-keys/cleanup"))
    _holds(answers.Revoked, cluster.delete("/internal/v1/tenants/models-as-a-service/api-keys"))
    _holds(answers.InvalidKey, cluster.post("/internal/v1/api-keys/validate", json={"key": key.key}))


def test_the_document_names_every_operation(busy: Instance) -> None:
    served = busy.anonymous.get("/openapi.json").json()
    assert served == document()
    operations = {(method, path) for path, methods in served["paths"].items() for method in methods}
    assert ("post", "/v1/api-keys") in operations
    assert ("delete", "/internal/v1/tenants/{tenant}/api-keys") in operations
    assert len(operations) == 15
