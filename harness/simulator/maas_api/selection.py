"""Which subscription pays for a call to a model, and whether the caller may make it: the authorizer's question."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .catalogue import Catalogue
from .entities import Model, Subscription
from .quirks import Quirk


class SelectionError(Exception):
    """No subscription can be chosen; `code` is for programs, the message for the caller."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Selected:
    """The subscription that pays. `allowed` says whether an access policy admits the caller to `model`."""

    subscription: Subscription
    model: Model | None
    allowed: bool


@dataclass(frozen=True, slots=True)
class Question:
    """`model` is `namespace/backend`, a published alias or a bare name; `subscription` may be empty."""

    username: str
    groups: tuple[str, ...]
    model: str = ""
    subscription: str = ""


def select(catalogue: Catalogue, question: Question, quirks: frozenset[Quirk] = frozenset()) -> Selected:
    """Choose the subscription. Raises SelectionError."""
    if not question.username:
        raise SelectionError("bad_request", "username is required")
    wanted = list(_candidates(catalogue, question.model, quirks))
    offers = (
        _requested(catalogue, question)
        if question.subscription
        else catalogue.owned(question.username, question.groups)
    )
    if not offers:
        raise SelectionError("not_found", "no matching subscription found for user")
    if not question.model:
        return Selected(_only(_healthy([(offer, None) for offer in offers]))[0], None, allowed=False)
    pairs = [(offer, model) for offer in offers for model in wanted if offer.model(model.reference)]
    if not pairs:
        raise SelectionError("model_not_in_subscription", "the requested model is not part of the subscription")
    subscription, model = _only(_healthy(pairs))
    reference = model.reference if model else ("", "")
    return Selected(subscription, model, allowed=reference in catalogue.allowed(question.username, question.groups))


def _requested(catalogue: Catalogue, question: Question) -> list[Subscription]:
    subscription = catalogue.subscription(question.subscription)
    if subscription is None:
        raise SelectionError("not_found", "requested subscription not found")
    if not subscription.owner.match(question.username, question.groups):
        raise SelectionError("access_denied", "access denied to requested subscription")
    return [subscription]


def _candidates(catalogue: Catalogue, wanted: str, quirks: frozenset[Quirk]) -> Iterable[Model]:
    """Models that a request may mean.

    `namespace/name` comes from the URL, whose second segment names the serving object. It therefore means the model
    whose backend has that name; else someone entitled to a model called B could call the backend called B. Aliases and
    bare names may fit several models, of which the caller's subscriptions decide, so nobody can take a name away by
    registering it too. Upstream compares the model's own name and takes the first fit of an alias.
    """
    namespace, slash, name = wanted.partition("/")
    if not wanted:
        return []
    if slash and "/" not in name:
        by_model = Quirk.PATH_NAMES_MODEL in quirks
        return catalogue.models_at(namespace, name) if by_model else catalogue.models_behind(namespace, name)
    fits = catalogue.models_called(wanted)
    return fits[:1] if Quirk.FIRST_ALIAS_WINS in quirks else fits


_Pair = tuple[Subscription, Model | None]


def _healthy(pairs: Sequence[_Pair]) -> list[_Pair]:
    """The pairs that may serve. Raises SelectionError when there is none."""
    serving = [pair for pair in pairs if pair[0].serves]
    if not serving:
        phase = pairs[0][0].phase or "not reconciled"
        raise SelectionError("model_unhealthy", f"the subscription is not ready ({phase})")
    limited = [(offer, model) for offer, model in serving if _limits_in_force(offer, model)]
    if not limited:
        raise SelectionError("model_unhealthy", "subscription rate limiting policies are not ready")
    return limited


def _limits_in_force(subscription: Subscription, model: Model | None) -> bool:
    """A degraded subscription serves only the models whose token limits are in force."""
    return subscription.phase != "Degraded" or model is None or model.name in subscription.limited


def _only(pairs: list[_Pair]) -> _Pair:
    if len({offer.name for offer, _ in pairs}) > 1:
        raise SelectionError(
            "multiple_subscriptions",
            "several subscriptions offer the model: choose one with the header X-MaaS-Subscription",
        )
    return pairs[0]
