"""May the caller use the model, which subscription pays, and is anything left of it?"""

from typing import Any

import httpx

from harness.diagnosis import mending
from harness.diagnosis.case import Case, names_somebody
from harness.diagnosis.sight import SERVING, called, doomed, identity, lists, phase, unreconciled, words
from harness.diagnosis.step import Step, fine, unknown
from harness.kube.manifest import Manifest, condition


def allowed(case: Case) -> Step | None:
    """A policy in force lets the caller in."""
    model = case.reference
    if model is None or case.user is None:
        return None
    naming = [item for item in _living(case, "MaaSAuthPolicy") if lists(item, model)]
    letting = [item for item in naming if names_somebody(item["spec"].get("subjects") or {}, case)]
    if not letting:
        return Step(
            "may use it", "wrong", f"no access policy of the model names {case.user} or one of their groups",
            called(naming[0]) if naming else "MaaSAuthPolicy", "spec.subjects",
            mending.append(naming[0], "/spec/subjects/users", case.user) if naming else "",
        )  # fmt: skip
    return _in_force(case, letting, "may use it")


def subscribed(case: Case) -> Step | None:
    """A subscription of the caller offers the model and is in force; says which one pays."""
    model = case.reference
    if model is None or case.user is None:
        return None
    naming = [item for item in _living(case, "MaaSSubscription") if lists(item, model)]
    owned = [item for item in naming if names_somebody(item["spec"].get("owner") or {}, case)]
    wanted = case.question.subscription or case.bound
    if wanted is not None:
        return _wanted(case, wanted, naming, owned)
    if not owned:
        return Step(
            "subscription", "wrong", f"no subscription that offers the model belongs to {case.user} or one of their groups",
            called(naming[0]) if naming else "MaaSSubscription", "spec.owner",
            mending.append(naming[0], "/spec/owner/users", case.user) if naming else "",
        )  # fmt: skip
    return _paying(case, owned)


def _wanted(case: Case, wanted: str, naming: list[Manifest], owned: list[Manifest]) -> Step:
    name = wanted.rpartition("/")[2]
    mine = [item for item in owned if identity(item)[1] == name]
    if mine:
        return _paying(case, mine)
    everywhere = [item for item in _living(case, "MaaSSubscription") if identity(item)[1] == name]
    if not everywhere:
        return Step(
            "subscription", "wrong", f"no subscription is called {name}", f"MaaSSubscription {name}", "metadata.name",
            "kubectl get maassubscriptions -A",
        )  # fmt: skip
    found = everywhere[0]
    assert case.user is not None, "asked only with a caller"
    if found not in naming:
        assert case.reference is not None, "asked only of registered models"
        namespace, model = identity(case.reference)
        limits = [{"limit": 10000, "window": "1h"}]
        entry = {"name": model, "namespace": namespace, "tokenRateLimits": limits}
        return Step(
            "subscription", "wrong", f"{name} does not offer the model", called(found), "spec.modelRefs",
            mending.append(found, "/spec/modelRefs", entry),
        )  # fmt: skip
    return Step(
        "subscription", "wrong", f"{name} does not belong to {case.user} or one of their groups", called(found), "spec.owner",
        mending.append(found, "/spec/owner/users", case.user),
    )  # fmt: skip


def _paying(case: Case, owned: list[Manifest]) -> Step:
    verdict = _in_force(case, owned, "subscription")
    if verdict.state == "wrong":
        return verdict
    assert case.reference is not None, "asked only of registered models"
    place, name = identity(case.reference)
    serving = [item for item in owned if phase(item) in SERVING]
    for item in serving:
        statuses = (item.get("status") or {}).get("tokenRateLimitStatuses") or []
        mine = [entry for entry in statuses if (entry.get("namespace"), entry.get("model")) == (place, name)]
        if phase(item) == "Degraded" and not any(entry.get("ready") for entry in mine):
            return Step(
                "subscription", "wrong", f"its limits for the model are not in force: {words(mine[0] if mine else None)}", called(item),
                "status.tokenRateLimitStatuses", mending.look(item),
            )  # fmt: skip
    serving.sort(key=lambda item: (-int(item["spec"].get("priority") or 0), identity(item)))
    case.chosen = serving[0]
    chosen = identity(serving[0])[1]
    if (
        len(serving) > 1
        and case.question.credential is not None
        and not case.question.is_key
        and case.question.subscription is None
    ):
        names = ", ".join(identity(item)[1] for item in serving)
        return Step(
            "subscription", "wrong", f"{names} all offer the model, and a token has to choose one", "the request",
            "header X-MaaS-Subscription", f"send -H 'X-MaaS-Subscription: {chosen}', or use an API key",
        )  # fmt: skip
    others = (
        f"; also {', '.join(identity(item)[1] for item in serving[1:])} (a token chooses with X-MaaS-Subscription)"
        if serving[1:]
        else ""
    )
    return fine("subscription", f"{chosen} pays: {_limits(case, serving[0])}{others}", called(serving[0]))


def _in_force(case: Case, found: list[Manifest], step: str) -> Step:
    """One of several is enough; else the first one's trouble is told."""
    for item in found:
        if phase(item) in SERVING and unreconciled(item) is None:
            return fine(step, "named, and in force", called(item))
    stale = unreconciled(found[0])
    if stale:
        return Step(
            step, "wrong", f"the MaaS controller has not reconciled it: {stale}", called(found[0]), "status.conditions[Ready]",
            mending.wake_controller(case.sight, "maas-controller"),
        )  # fmt: skip
    said = words(condition(found[0], "Ready"))
    return Step(
        step,
        "wrong",
        f"its phase is {phase(found[0]) or 'empty'}: {said}",
        called(found[0]),
        "status.phase",
        mending.look(found[0]),
    )


def budget(case: Case) -> Step | None:
    """Tokens left in the present windows, where the limiter can be asked."""
    if case.chosen is None or case.user is None:
        return None
    name = identity(case.chosen)[1]
    if case.endpoints is None or case.endpoints.limiter_admin is None:
        return unknown(
            "budget",
            f"what is left of {name} cannot be seen: no limiter's address is known ({_limits(case, case.chosen)})",
        )
    try:
        answer = httpx.get(f"{case.endpoints.limiter_admin}/counters", timeout=10, trust_env=False)
        counters = answer.raise_for_status().json()["counters"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return unknown("budget", f"the limiter does not tell: {type(error).__name__}")
    mine = [counter for counter in counters if _is_of(counter, case)]
    spent = [counter for counter in mine if counter["remaining"] <= 0]
    if spent:
        worst = max(spent, key=lambda counter: counter["expires_in_seconds"])
        return Step(
            "budget", "wrong",
            f"{worst['used']} of {worst['max_value']} tokens are used; the window ends in {worst['expires_in_seconds']:.0f} s",
            called(case.chosen), "spec.modelRefs[].tokenRateLimits", _more(case, case.chosen, int(worst["used"])),
        )  # fmt: skip
    left = ", ".join(f"{counter['remaining']} of {counter['max_value']} tokens left" for counter in mine)
    return fine("budget", left or f"nothing is used ({_limits(case, case.chosen)})", called(case.chosen))


def _is_of(counter: Any, case: Case) -> bool:
    assert case.chosen is not None, "asked only with a subscription"
    assert case.reference is not None, "asked only of registered models"
    model = identity(case.reference)[1]
    return (
        counter.get("subscription") == "/".join(identity(case.chosen))
        and case.user in (counter.get("variables") or {}).values()
        and str(counter.get("policy", "")).endswith(f"maas-trlp-{model}")
    )


def _more(case: Case, subscription: Manifest, used: int) -> str:
    """Ten times the limit, and twice what has been used already: a raised limit keeps what was charged."""
    assert case.reference is not None, "asked only of registered models"
    wanted = identity(case.reference)
    refs = subscription["spec"]["modelRefs"]
    index = next(i for i, ref in enumerate(refs) if (ref.get("namespace"), ref.get("name")) == wanted)
    change = [{**rate, "limit": max(10 * int(rate["limit"]), 2 * used)} for rate in refs[index]["tokenRateLimits"]]
    changed = [*refs[:index], {**refs[index], "tokenRateLimits": change}, *refs[index + 1 :]]
    return mending.patch(subscription, {"spec": {"modelRefs": changed}})


def _limits(case: Case, subscription: Manifest) -> str:
    assert case.reference is not None, "asked only of registered models"
    wanted = identity(case.reference)
    rates = [
        f"{rate['limit']} tokens in {rate['window']}"
        for ref in subscription["spec"]["modelRefs"]
        if (ref.get("namespace"), ref.get("name")) == wanted
        for rate in ref.get("tokenRateLimits") or ()
    ]
    return ", ".join(rates) or "no limit"


def _living(case: Case, kind: str) -> list[Manifest]:
    places = case.sight.tenant_namespaces()
    return case.sight.having(kind, lambda item: identity(item)[0] in places and not doomed(item))
