"""How a MaaSModelRef follows its LLMInferenceService: which object it means, whether that is ready, and where it can be reached."""

from urllib.parse import urlsplit

from harness.engine.declaration import check
from harness.engine.failure import NotReady
from harness.kube.manifest import Manifest, Ref, condition
from harness.kube.wait import Expectation
from harness.platforms.platform import ModelHandle
from harness.world.expectations import expect, expect_equal, expect_served
from harness.world.force import model_ref
from harness.world.twin import Twin, Variant, gateway_refs, registration
from harness.world.world import World

ROUTE = "gateway.networking.k8s.io/v1"
PREFERRED = ("gateway-external-model-routing", "gateway-external")
UNROUTED = Variant(routed=False)


def govern(world: World, model: ModelHandle, *, awaited: bool = True) -> None:
    """Somebody may use the model and pays for it, so that nothing but its backend keeps it from being Ready."""
    who = world.group("owners")
    world.subscription(who, models=model, awaited=awaited)
    world.policy(who, models=model, awaited=awaited)


def status_of(world: World, ref: Ref) -> Manifest:
    """What the object says of itself; nothing when it does not exist."""
    return dict((world.estate.cluster.get(ref) or {}).get("status") or {})


def await_status(world: World, ref: Ref, what: str, **wanted: object) -> Manifest:
    """Wait until fields of the status have these values; the status."""

    def holds(manifest: Manifest | None) -> bool:
        status = (manifest or {}).get("status") or {}
        return all(status.get(field) == value for field, value in wanted.items())

    return dict(world.expect_becomes(Expectation(ref, what, holds)).get("status") or {})


def own_route(world: World, model: ModelHandle, gateway: str, *hostnames: str) -> Manifest:
    """A route that says by its labels that it is the model's, as KServe's do; nothing is behind it."""
    return {
        "apiVersion": ROUTE,
        "kind": "HTTPRoute",
        "metadata": {
            "name": f"{world.name}-by-hand",
            "namespace": model.namespace,
            "labels": {
                "app.kubernetes.io/name": model.name,
                "app.kubernetes.io/component": "llminferenceservice-router",
                "app.kubernetes.io/part-of": "llminferenceservice",
            },
        },
        "spec": {
            "parentRefs": gateway_refs(gateway),
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": f"/{world.name}-by-hand"}}]}],
            **({"hostnames": list(hostnames)} if hostnames else {}),
        },
    }


def addresses(status: Manifest, hostnames: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """URLs of an LLMInferenceService by the name of the address; only those of these hosts, where there are any."""
    found: dict[str, list[str]] = {}
    for one in status.get("addresses") or ():
        host = (urlsplit(one.get("url", "")).hostname or "").lower()
        if not hostnames or host in hostnames:
            found.setdefault(one.get("name", ""), []).append(one["url"])
    return found


def secure(urls: list[str]) -> list[str]:
    """Those by HTTPS, or all when there is none."""
    return [url for url in urls if url.startswith("https://")] or urls


@check("MAAS-LLM-001", needs={"kube"})
def test_model_services_are_served_in_both_versions(world: World) -> None:
    model = world.model()
    name = (world.estate.cluster.get(model_ref(model)) or {})["spec"]["modelRef"]["name"]
    for version in ("v1alpha1", "v1alpha2"):
        ref = Ref(f"serving.kserve.io/{version}", "LLMInferenceService", name, model.namespace)
        found = world.estate.cluster.get(ref)
        expect(found is not None, expected=f"the model in version {version}", observed="that version does not have it")
        assert found is not None
        expect_equal(found["apiVersion"], ref.api_version, of="apiVersion")
        expect_equal(found["spec"]["model"]["name"], model.served_name, of=f"model name in {version}")
        expect_equal((condition(found, "Ready") or {}).get("status"), "True", of=f"Ready in {version}")


@check("MAAS-LLM-002", "MAAS-CRD-004", needs={"kube", "models"})
def test_a_backend_in_another_namespace_is_not_found(world: World) -> None:
    """The namespace holds a MaaSModelRef that names a Ready model of another namespace."""
    model = world.model()
    here = world.space("apart")
    far = model.model_copy(update={"namespace": here, "name": f"{world.name}-far"})
    world.declare(registration(far))
    govern(world, far, awaited=False)
    world.settle()
    cluster = world.estate.cluster
    cluster.patch(model_ref(far), {"spec": {"modelRef": {"namespace": model.namespace}}})
    stored = cluster.get(model_ref(far)) or {}
    expect_equal(
        stored["spec"]["modelRef"].get("namespace"),
        None,
        of="spec.modelRef.namespace as stored",
        requirement="MAAS-CRD-004",
    )
    world.expect_condition(model_ref(far), "GovernanceAttached", "True")
    status = status_of(world, model_ref(far))
    expect(
        status.get("phase") in ("Pending", "Failed"),
        expected="phase Pending or Failed for a backend that is in another namespace",
        observed=repr(status.get("phase")),
    )
    expect_equal(status.get("endpoint") or "", "", of="endpoint of a model without a backend")


@check("MAAS-LLM-003", needs={"kube", "models", "disposable"})
def test_the_route_is_found_by_its_labels(
    world: World,
) -> None:
    twin = world.new_model(governed=False, variant=UNROUTED)
    govern(world, twin.handle, awaited=False)
    world.settle()
    world.expect_phase(model_ref(twin.handle), "Pending")
    route = own_route(world, twin.handle, world.wire.platform.namespaces.gateway)
    world.declare(route)
    world.settle()
    name = route["metadata"]["name"]
    status = await_status(world, model_ref(twin.handle), f"found behind the route {name}", httpRouteName=name)
    expect_equal(status.get("httpRouteNamespace"), twin.handle.namespace, of="httpRouteNamespace")


@check("MAAS-LLM-004", needs={"kube", "models"})
def test_a_model_is_as_ready_as_its_backend(world: World) -> None:
    twin = world.new_model()
    govern(world, twin.handle)
    world.settle()
    ref = model_ref(twin.handle)
    for replicas, ready, phase in ((0, "False", "Unhealthy"), (1, "True", "Ready")):
        world.estate.cluster.patch(twin.backend, {"spec": {"replicas": replicas}})
        world.expect_condition(twin.backend, "Ready", ready)
        found = world.expect_phase(ref, phase)
        reason = {"True": "RuntimeHealthy", "False": "RuntimeHealthFailure"}[ready]
        runtime = condition(found, "RuntimeReady") or {}
        expect_equal((runtime.get("status"), runtime.get("reason")), (ready, reason), of=f"RuntimeReady while {phase}")


@check("MAAS-LLM-005", "MAAS-LLM-006", needs={"kube", "models"})
def test_the_endpoint_is_the_external_address_of_the_gateway_at_a_hostname_of_the_route(world: World) -> None:
    """The route has no hostnames at first, then one that no address has, then that of the gateway's address beside it."""
    twin = world.new_model()
    govern(world, twin.handle)
    world.settle()
    endpoint = world.expect_phase(model_ref(twin.handle), "Ready")["status"].get("endpoint")
    known = addresses(status_of(world, twin.backend))
    best = external(known)
    expect(
        endpoint in best,
        expected=f"one of {best}, of the addresses {known}",
        observed=repr(endpoint),
        requirement="MAAS-LLM-005",
    )
    host, stranger = urlsplit(best[0]).hostname or "", f"{world.name}.example"
    wanted = f"https://{stranger}/{twin.handle.name}"
    expect_equal(endpoint_at(world, twin, stranger), wanted, of=f"endpoint at {stranger}", requirement="MAAS-LLM-006")
    best = external(addresses(status_of(world, twin.backend), (host, stranger)))
    found = endpoint_at(world, twin, stranger, host)
    expect(found in best, expected=f"one of {best}", observed=repr(found), requirement="MAAS-LLM-005")


@check("MAAS-LLM-006", needs={"kube", "models", "disposable"})
def test_without_an_external_address_the_endpoint_is_the_base_url_that_there_is(world: World) -> None:
    """A model whose route is not KServe's has its Service's address alone, without a path."""
    twin = world.new_model(governed=False, variant=UNROUTED)
    world.declare(own_route(world, twin.handle, world.wire.platform.namespaces.gateway))
    govern(world, twin.handle, awaited=False)
    world.settle()
    endpoint = world.expect_phase(model_ref(twin.handle), "Ready")["status"].get("endpoint")
    status = status_of(world, twin.backend)
    urls = [one["url"] for one in status.get("addresses") or ()]
    bases = secure([url for url in urls if urlsplit(url).path in ("", "/")])
    best = bases or [status.get("url") or (urls or [""])[0]]
    expect(endpoint in best, expected=f"one of {best}", observed=repr(endpoint))


@check("MAAS-LLM-009", needs={"kube", "models", "standard-gateway"})
def test_a_model_may_name_other_gateways_beside_that_of_maas(world: World) -> None:
    maas, other = gateway_refs(world.wire.platform.namespaces.gateway), another_gateway(world)
    alone = world.new_model(gateway=other, governed=False)
    both = world.new_model(gateway=[*other, *maas])
    govern(world, alone.handle, awaited=False)
    customer = world.customer(models=both.handle)
    expect_served(customer.infer(), when="a model names the gateway of MaaS beside another one")
    found = world.expect_phase(model_ref(alone.handle), "Failed", "Ready")
    expect_equal(found["status"]["phase"], "Failed", of="phase of a model that names another gateway alone")
    said = str((condition(found, "Ready") or {}).get("message"))
    expect("does not reference gateway" in said, expected="does not reference gateway …", observed=repr(said))


def external(known: dict[str, list[str]]) -> list[str]:
    """Addresses that an endpoint has to be one of. Raises NotReady where no gateway gives the model any."""
    for name in PREFERRED:
        if known.get(name):
            return secure(known[name])
    raise NotReady(f"the model has no address named {' or '.join(PREFERRED)}, only {sorted(known)}")


def endpoint_at(world: World, twin: Twin, *hostnames: str) -> object:
    """The model's endpoint once its route has these hostnames."""
    spec = {"router": {"route": {"http": {"spec": {"hostnames": list(hostnames)}}}}}
    world.estate.cluster.patch(twin.backend, {"spec": spec})
    ref = model_ref(twin.handle)
    status = await_status(world, ref, f"Ready at {hostnames}", httpRouteHostnames=list(hostnames), phase="Ready")
    return status.get("endpoint")


def another_gateway(world: World) -> list[dict[str, str]]:
    """A reference to the oldest gateway that is not that of MaaS."""
    own = gateway_refs(world.wire.platform.namespaces.gateway)[0]
    found = [
        one["metadata"]
        for one in world.estate.cluster.objects(ROUTE, "Gateway")
        if one["metadata"]["name"] != own["name"]
    ]
    if not found:
        raise NotReady("there is no Gateway beside that of MaaS")
    oldest = min(found, key=lambda metadata: str(metadata.get("creationTimestamp")))
    return [{"name": oldest["name"], "namespace": oldest["namespace"]}]


@check("MAAS-CRD-005", needs={"kube", "models"})
def test_an_endpoint_may_be_said_instead_of_found(world: World) -> None:
    twin = world.new_model()
    govern(world, twin.handle)
    world.settle()
    ref, said = model_ref(twin.handle), "https://elsewhere.example/y"
    found = world.expect_phase(ref, "Ready")["status"]["endpoint"]
    world.estate.cluster.patch(ref, {"spec": {"endpointOverride": said}})
    await_status(world, ref, f"at the endpoint {said}", endpoint=said, phase="Ready")
    world.estate.cluster.patch(ref, {"spec": {"endpointOverride": None}})
    await_status(world, ref, f"at the endpoint {found} again", endpoint=found, phase="Ready")
