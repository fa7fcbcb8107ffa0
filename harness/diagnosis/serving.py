"""Is there a model, is it behind the right gateway, does it run, and is it routed to?"""

from typing import Any, Final

from harness.diagnosis import mending
from harness.diagnosis.case import Case, model_words
from harness.diagnosis.sight import called, identity, not_true, unreconciled, words
from harness.diagnosis.step import Step, fine
from harness.kube.manifest import Manifest, condition

_WORKLOAD: Final = (
    "PresetsCombined",
    "WorkloadsReady",
    "MainWorkloadReady",
    "RouterReady",
    "HTTPRoutesReady",
    "GatewaysReady",
)


def exists(case: Case) -> Step:
    """There is an object of that name, and what it refers to is there."""
    case.find()
    if case.reference is None and case.backend is None:
        near = case.near()
        hint = f"; similar: {', '.join(near)}" if near else ""
        return Step(
            "model",
            "wrong",
            f"neither a model nor a MaaSModelRef is called {case.question.model}{hint}",
            mend="kubectl get llminferenceservices,maasmodelrefs -A",
        )
    if case.backend is None and case.reference is not None:
        namespace, name = case.place
        return Step(
            "model",
            "wrong",
            f"it refers to {case.backend_kind} {namespace}/{name}, which does not exist",
            called(case.reference),
            "spec.modelRef.name",
            mending.patch(case.reference, {"spec": {"modelRef": {"name": _likely(case) or "NAME"}}}),
        )
    return fine("model", f"found {model_words(case)}")


def _likely(case: Case) -> str:
    namespace = case.place[0]
    return next((identity(item)[1] for item in case.sight.all(case.backend_kind) if identity(item)[0] == namespace), "")


def gateway_reference(case: Case) -> Step | None:
    """The model asks to be served behind a gateway that has MaaS policies."""
    if case.backend is None or case.backend_kind != "LLMInferenceService":
        return None
    router = case.backend["spec"].get("router") or {}
    refs = (router.get("gateway") or {}).get("refs") or []
    wanted = case.sight.gateways()
    if any((ref.get("namespace") or identity(case.backend)[0], ref.get("name")) in wanted for ref in refs):
        if "route" in router:
            return fine("gateway reference", f"names {' or '.join('/'.join(place) for place in wanted)}")
        return Step(
            "gateway reference",
            "wrong",
            "the model asks for no route, so the gateway has none to it",
            called(case.backend),
            "spec.router.route",
            mending.patch(case.backend, {"spec": {"router": {"route": {}}}}),
        )
    namespace, name = wanted[0]
    named = ", ".join(f"{ref.get('namespace')}/{ref.get('name')}" for ref in refs) or "no gateway"
    return Step(
        "gateway reference",
        "wrong",
        f"names {named}; only models behind {namespace}/{name} are governed and listed",
        called(case.backend),
        "spec.router.gateway.refs",
        mending.patch(
            case.backend,
            {"spec": {"router": {"route": {}, "gateway": {"refs": [{"name": name, "namespace": namespace}]}}}},
        ),
    )


def gateway(case: Case) -> Step | None:
    """The gateway is there and programmed."""
    for namespace, name in _gateways_of(case):
        found = case.sight.one("Gateway", namespace, name)
        if found is None:
            return Step(
                "gateway",
                "wrong",
                "it does not exist; the MaaS installer creates it",
                f"Gateway {namespace}/{name}",
                "metadata.name",
                f"kubectl get gateways -A  # then install MaaS again, or create {namespace}/{name}",
            )
        problem = not_true(found, ("Accepted", "Programmed"))
        if problem:
            return Step(
                "gateway", "wrong", f"{problem[0]} is not True: {problem[1]}", called(found),
                f"status.conditions[{problem[0]}]", mending.look(found),
            )  # fmt: skip
    return fine("gateway", "accepted and programmed")


def _gateways_of(case: Case) -> list[tuple[str, str]]:
    refs = (((case.backend or {}).get("spec", {}).get("router") or {}).get("gateway") or {}).get("refs") or []
    known = case.sight.gateways()
    named = [(str(ref.get("namespace")), str(ref.get("name"))) for ref in refs]
    return [place for place in known if place in named] or known[:1]


def ready(case: Case) -> Step | None:
    """What serves the model says that it is ready, and speaks of its present generation."""
    backend = case.backend
    if backend is None or case.backend_kind != "LLMInferenceService":
        return None
    if (backend["spec"].get("replicas")) == 0:
        change = {"spec": {"replicas": 1}}
        return Step(
            "model ready",
            "wrong",
            "it is scaled to 0 replicas",
            called(backend),
            "spec.replicas",
            mending.patch(backend, change),
        )
    stale = unreconciled(backend)
    entry = condition(backend, "Ready")
    if stale or entry is None:
        return Step(
            "model ready", "wrong", f"KServe has not reconciled it: {stale}", called(backend), "status.conditions[Ready]",
            mending.wake_controller(case.sight, "kserve-controller-manager"),
        )  # fmt: skip
    if entry.get("status") == "True":
        return fine("model ready", "Ready is True", called(backend))
    return _not_ready(case, backend, entry)


def _not_ready(case: Case, backend: Manifest, entry: Any) -> Step:
    """The deepest cause that can be seen: a Pod that cannot start before the condition that follows from it."""
    namespace, name = identity(backend)
    for pod in case.sight.seen("Pod"):
        trouble = _trouble(pod) if _belongs(pod, namespace, name) else None
        if trouble:
            said, field = trouble
            return Step("model ready", "wrong", said, called(pod), field, mending.look(pod))
    broken = next((kind for kind in _WORKLOAD if (condition(backend, kind) or {}).get("status") == "False"), "Ready")
    said = words(condition(backend, broken) if broken != "Ready" else entry)
    return Step(
        "model ready", "wrong", f"{broken} is not True: {said}", called(backend), f"status.conditions[{broken}]",
        mending.look(backend),
    )  # fmt: skip


def _belongs(pod: Manifest, namespace: str, name: str) -> bool:
    return identity(pod)[0] == namespace and identity(pod)[1].startswith(f"{name}-kserve")


def _trouble(pod: Manifest) -> tuple[str, str] | None:
    status = pod.get("status") or {}
    unscheduled = next(
        (e for e in status.get("conditions") or () if e.get("type") == "PodScheduled" and e.get("status") == "False"),
        None,
    )
    if unscheduled:
        return f"no node takes it: {words(unscheduled)}", "status.conditions[PodScheduled]"
    for container in status.get("containerStatuses") or ():
        state = container.get("state") or {}
        held = state.get("waiting") or state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if held and not container.get("ready"):
            return f"container {container.get('name')} does not run: {words(held)}", "status.containerStatuses"
    if status.get("phase") == "Failed":
        return f"it failed: {words(status)}", "status.phase"
    return None


def route(case: Case) -> Step | None:
    """The model's route is attached to the gateway, and what it points at can be reached."""
    namespace, name = case.place
    found = _route_of(case)
    if found is None:
        return Step(
            "route", "wrong", "the gateway has no route to the model", f"HTTPRoute {namespace}/{name}-kserve-route",
            "metadata.name", mending.wake_controller(case.sight, "kserve-controller-manager"),
        )  # fmt: skip
    wanted = _gateways_of(case)
    parents = (found.get("status") or {}).get("parents") or []
    mine = [parent for parent in parents if _names(parent.get("parentRef") or {}, found) in wanted]
    if not mine:
        return Step(
            "route", "wrong", f"no gateway has judged it for {'/'.join(wanted[0])}", called(found), "status.parents",
            mending.look(found),
        )  # fmt: skip
    for parent in mine:
        problem = not_true({"status": parent}, ("Accepted", "ResolvedRefs"))
        if problem:
            return Step(
                "route", "wrong", f"{problem[0]} is not True: {problem[1]}", called(found),
                f"status.parents[].conditions[{problem[0]}]", mending.look(found),
            )  # fmt: skip
    return fine("route", "attached, and its backends are resolved", called(found))


def _names(ref: Any, route: Manifest) -> tuple[str, str]:
    return str(ref.get("namespace") or identity(route)[0]), str(ref.get("name"))


def _route_of(case: Case) -> Manifest | None:
    namespace, name = case.place
    status = (case.reference or {}).get("status") or {}
    if status.get("httpRouteName"):
        return case.sight.one(
            "HTTPRoute", str(status.get("httpRouteNamespace") or namespace), str(status["httpRouteName"])
        )
    return case.sight.one("HTTPRoute", namespace, f"{name}-kserve-route")
