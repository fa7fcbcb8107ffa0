"""What `kubectl get` shows of the MaaS kinds, and which reasons their statuses may give."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.engine.declaration import check
from harness.kube.columns import Column, columns_of
from harness.kube.manifest import Manifest, Ref
from harness.world.expectations import expect, expect_equal
from harness.world.governance import MAAS
from harness.world.world import World

REASONS = frozenset(
    {
        "Reconciled", "ReconcileFailed", "PartialFailure", "Valid", "NotFound", "GetFailed", "Accepted", "AcceptedEnforced",
        "NotAccepted", "Enforced", "NotEnforced", "BackendNotReady", "ConditionsNotFound", "InvalidSpec", "Unknown",
        "NoPairingFound", "GovernancePaired", "GovernanceGap", "RuntimeHealthy", "RuntimeHealthFailure",
    }
)  # fmt: skip


def printed(*names: str, wide: tuple[str, ...] = ()) -> list[Column]:
    """Columns as kubectl heads them; wide ones come last."""
    return [Column(name.upper()) for name in names] + [Column(name.upper(), wide=True) for name in wide]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        pytest.param(
            "MaaSModelRef", printed("Phase", "Endpoint", "HTTPRoute", "Gateway", "Age"),
            id="model", marks=check("MAAS-CRD-008", needs={"kube"}),
        ),
        pytest.param(
            "MaaSAuthPolicy", printed("Phase", "Age", wide=("AuthPolicies",)),
            id="policy", marks=check("MAAS-CRD-025", needs={"kube"}),
        ),
        pytest.param(
            "MaaSSubscription", printed("Phase", "Priority", "Age"),
            id="subscription", marks=check("MAAS-CRD-050", needs={"kube"}),
        ),
    ],
)  # fmt: skip
def test_the_columns_that_are_printed(world: World, kind: str, columns: list[Column]) -> None:
    found = columns_of(world.estate.cluster, MAAS, kind)
    expect_equal([Column(one.name.upper(), one.wide) for one in found], columns, of=f"printed columns of {kind}")


@check("MAAS-CRD-008", "MAAS-CRD-050", needs={"kube"})
def test_the_columns_show_what_the_objects_say(world: World) -> None:
    who = world.identity()
    subscription = world.subscription(who, priority=-7)
    world.settle()
    model = world.model()
    for kind, name, namespace, wanted in (
        ("MaaSSubscription", subscription.name, subscription.ref.namespace, {"Phase": "Active", "Priority": -7}),
        ("MaaSModelRef", model.name, model.namespace, expected_cells(world.estate.cluster.get(model_object(world)))),
    ):
        cells = row(world.estate.cluster.table(MAAS, kind, namespace=namespace), name)
        requirement = "MAAS-CRD-050" if kind == "MaaSSubscription" else "MAAS-CRD-008"
        shown = {key: cells.get(key.upper()) for key in wanted}
        expect_equal(shown, wanted, of=f"cells of {kind} {name}", requirement=requirement)


def model_object(world: World) -> Ref:
    """The MaaSModelRef of the platform's first model."""
    return Ref(MAAS, "MaaSModelRef", world.model().name, world.model().namespace)


def expected_cells(model: Manifest | None) -> dict[str, Any]:
    """What a MaaSModelRef's row should show."""
    status = (model or {}).get("status") or {}
    fields = {"Phase": "phase", "Endpoint": "endpoint", "HTTPRoute": "httpRouteName", "Gateway": "httpRouteGatewayName"}
    return {column: status.get(field) for column, field in fields.items()}


def row(table: Manifest, name: str) -> dict[str, Any]:
    """One object's cells by column heading."""
    headings = [str(column["name"]).upper() for column in table["columnDefinitions"]]
    rows = [dict(zip(headings, one["cells"], strict=True)) for one in table["rows"]]
    return next((one for one in rows if one.get("NAME") == name), {})


@check("MAAS-CRD-052", needs={"kube"})
def test_a_status_item_gives_one_of_twenty_reasons(world: World) -> None:
    found: dict[str, frozenset[str]] = {}
    for plural in ("maassubscriptions", "maasauthpolicies"):
        definition = definition_of(world, plural)
        for version in definition["spec"]["versions"]:
            schema = version["schema"]["openAPIV3Schema"]["properties"]["status"]
            found |= {f"{plural}{path}": reasons for path, reasons in enumerated_reasons(schema, ".status")}
    wanted = {
        "maassubscriptions.status.modelRefStatuses[].reason",
        "maassubscriptions.status.tokenRateLimitStatuses[].reason",
        "maasauthpolicies.status.authPolicies[].reason",
    }
    expect(wanted <= set(found), expected=f"an enum of reasons at {sorted(wanted)}", observed=repr(sorted(found)))
    for path, reasons in found.items():
        expect_equal(sorted(reasons), sorted(REASONS), of=f"reasons at {path}")


def definition_of(world: World, plural: str) -> Manifest:
    """The definition of a MaaS kind, as the API server has it."""
    ref = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.maas.opendatahub.io")
    found = world.estate.cluster.get(ref)
    expect(found is not None, expected=f"{ref}", observed="the API server has no such definition")
    return found or {}


def enumerated_reasons(schema: Any, path: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Every field called `reason` that has an enum, with where it is."""
    for name, child in (schema.get("properties") or {}).items():
        if name == "reason" and "enum" in child:
            yield f"{path}.reason", frozenset(child["enum"])
        yield from enumerated_reasons(child, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from enumerated_reasons(schema["items"], f"{path}[]")
