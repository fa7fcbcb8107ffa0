"""What the definitions of the MaaS kinds say beside their schemas: short names, scope, and defaults that an object in use would hide."""

from typing import Any

import pytest

from harness.engine.declaration import check
from harness.kube.manifest import Ref
from harness.world.expectations import expect, expect_equal
from harness.world.world import World


def definition_of(world: World, plural: str) -> dict[str, Any]:
    """The spec of a MaaS kind's definition; a finding when the API server has none."""
    ref = Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.maas.opendatahub.io")
    found = world.estate.cluster.get(ref)
    expect(found is not None, expected=f"{ref}", observed="the API server has no such definition")
    return dict((found or {})["spec"])


@pytest.mark.parametrize(
    ("plural", "short", "scope"),
    [
        pytest.param("aitenants", "ait", "Namespaced", id="tenant", marks=check("MAAS-CRD-080", needs={"kube"})),
        pytest.param(
            "configs", "maasconfig", "Cluster", id="configuration", marks=check("MAAS-CRD-099", needs={"kube"})
        ),
    ],
)
def test_kinds_have_short_names(world: World, plural: str, short: str, scope: str) -> None:
    spec = definition_of(world, plural)
    expect(
        short in (spec["names"].get("shortNames") or []), expected=f"short name {short}", observed=repr(spec["names"])
    )
    expect_equal(spec["scope"], scope, of=f"scope of {plural}")


@check("MAAS-CRD-099", needs={"kube"})
def test_the_defaults_of_the_platforms_configuration(world: World) -> None:
    schema = definition_of(world, "configs")["versions"][0]["schema"]["openAPIV3Schema"]
    fields = schema["properties"]["spec"]["properties"]
    found = {name: fields.get(name, {}).get("default") for name in ("limitadorScrapeInterval", "usageLogging")}
    expect_equal(found, {"limitadorScrapeInterval": "30s", "usageLogging": False}, of="defaults")
