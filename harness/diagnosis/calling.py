"""Who calls, and what does the gateway itself say to them?"""

import base64
import json
from typing import Final

from harness.client.exchange import Exchange
from harness.diagnosis.case import Case
from harness.diagnosis.step import Step, fine, unknown
from harness.kube.fault import Rejected

REASON: Final = "x-ext-auth-reason"
_NEW_KEY: Final = (
    'curl -X POST "$MAAS_MANAGEMENT/v1/api-keys" -H "Authorization: Bearer $(kubectl create token NAME -n NAMESPACE)" '
    "-H 'Content-Type: application/json' -d '{\"name\":\"new\"}'"
)
_NEW_TOKEN: Final = "kubectl create token NAME -n NAMESPACE --duration=1h"  # noqa: S105 - a command, no password


def identify(case: Case) -> Step | None:
    """The caller's name and groups: as given, else as the credential proves them."""
    asked = case.question
    case.user, case.groups = asked.user, asked.groups
    if asked.user is not None:
        case.groups = tuple(dict.fromkeys((*asked.groups, *_implied(asked.user))))
    if asked.credential is None:
        return None if asked.user is None else fine("caller", case.who)
    return _key_owner(case) if asked.is_key else _token_owner(case)


def _implied(user: str) -> tuple[str, ...]:
    """The groups that Kubernetes gives without being asked."""
    parts = user.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        return "system:serviceaccounts", f"system:serviceaccounts:{parts[2]}", "system:authenticated"
    return ("system:authenticated",)


def _token_owner(case: Case) -> Step:
    assert case.question.credential is not None, "asked only with a credential"
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": case.question.credential.reveal()},
    }
    try:
        answer = case.sight.cluster.post("/apis/authentication.k8s.io/v1/tokenreviews", review, what="review the token")
    except Rejected as error:
        return unknown("caller", f"the token cannot be reviewed ({error.reason or error.status})")
    status = answer.get("status") or {}
    if not status.get("authenticated"):
        return _issuer_owner(case) or Step(
            "caller",
            "wrong",
            f"neither Kubernetes nor the gateway knows the token: {status.get('error') or 'expired, or of another issuer'}",
            "the token",
            "exp, aud, iss",
            _NEW_TOKEN,
        )
    user = status.get("user") or {}
    return _named(case, str(user.get("username")), tuple(map(str, user.get("groups") or ())))


def _issuer_owner(case: Case) -> Step | None:
    """A token of the tenant's own issuer, which the gateway takes: then its claims say who it is, and nobody has to check them again."""
    listing = case.ask("/v1/models", management=True)
    if listing is None or listing.status != 200 or case.question.credential is None:
        return None
    try:
        payload = case.question.credential.reveal().split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        user = str(claims.get("preferred_username") or claims["sub"])
        groups = tuple(map(str, claims.get("groups") or ()))
    except (IndexError, KeyError, ValueError, AttributeError):
        return unknown("caller", "the gateway takes the token; whose it is cannot be read, so name its owner (--as)")
    return _named(case, user, (*groups, "system:authenticated"))


def _named(case: Case, user: str, groups: tuple[str, ...]) -> Step:
    """Who the token says it is, unless somebody else was meant."""
    if case.question.user not in (None, user):
        said = f"the token is that of {user}, not of {case.question.user}"
        return Step("caller", "wrong", said, "the token", "sub", _NEW_TOKEN)
    case.user, case.groups = user, groups
    return fine("caller", case.who)


def _key_owner(case: Case) -> Step:
    """A key proves its owner by searching their own keys with it; what it is bound to shows in the list of models."""
    answer = case.ask("/v1/api-keys/search", method="POST", json={}, management=True)
    if answer is None:
        return unknown("caller", "the key cannot be tried: no gateway's URL is known (--gateway)")
    if answer.status is None:
        return unknown("caller", f"the gateway does not answer: {answer.error}")
    if answer.status != 200:
        return _bad_key(answer)
    case.bound = _bound(case)
    return _owned_by(case, {str(entry.get("username")) for entry in answer.json().get("data") or ()})


def _bound(case: Case) -> str | None:
    """The one subscription that the list of models names for this key."""
    listing = case.ask("/v1/models", management=True)
    if listing is None or listing.status != 200:
        return None
    models = listing.json().get("data") or ()
    names = {str(offer.get("name")) for model in models for offer in model.get("subscriptions") or ()}
    return names.pop() if len(names) == 1 else None


def _owned_by(case: Case, owners: set[str]) -> Step:
    if case.question.user is not None and owners and case.question.user not in owners:
        return Step(
            "caller",
            "wrong",
            f"the key is that of {' or '.join(sorted(owners))}, not of {case.question.user}",
            "the API key",
            "username",
            _NEW_KEY,
        )
    if len(owners) == 1 and case.user is None:
        case.user = owners.pop()
        case.groups = tuple(dict.fromkeys((*case.question.groups, *_implied(case.user))))
    if case.user is None:
        return unknown("caller", "the key is valid; whose it is does not show here, so name its owner (--as)")
    bound = f", bound to subscription {case.bound}" if case.bound else ""
    return fine("caller", f"the key is valid{bound}; its owner is {case.who}")


def _bad_key(answer: Exchange) -> Step:
    why = {401: "the gateway does not recognise it as a credential", 403: "it is unknown, revoked or expired"}
    said = why.get(answer.status or 0, f"the gateway answers {answer.status}")
    return Step("caller", "wrong", f"{said} ({_told(answer)})", "the API key", "status, expirationDate", _NEW_KEY)


def _told(answer: Exchange) -> str:
    """The reason that the gateway gives, by header or body."""
    text = " ".join(answer.body.decode("utf-8", "replace").split())[:120]
    return answer.header(REASON) or text or "no reason given"


def answers(case: Case) -> Step | None:
    """What the gateway itself says to the caller: the model's own list, which costs no token."""
    if case.question.credential is None or case.endpoints is None:
        return None
    path = "/" + "/".join(case.place)
    answer = case.ask(f"{path}/v1/models")
    assert answer is not None, "a URL is known"
    url = f"{case.endpoints.gateway}{path}/v1/models"
    if answer.status == 200:
        return fine("gateway answers", f"200 at {url}")
    if answer.status is None:
        return Step("gateway answers", "wrong", f"it does not answer: {answer.error}", url, "", f"curl -i {url}")
    return Step(
        "gateway answers", "wrong",
        f"{answer.status} ({_told(answer)}), though every object is in order: a decision may be cached for a minute", url,
        "status", "wait 60 s and ask again; then restart the gateway's authorizer",
    )  # fmt: skip
