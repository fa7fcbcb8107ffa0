"""maas-api's internal calls: does this key stand for someone, and which subscription pays."""

from collections.abc import Hashable
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.simulator.gateway.authorizer.cache import AnswerCache, Fresh
from harness.simulator.gateway.authorizer.decision import Identity, Refusal, Selection, UnavailableError
from harness.simulator.gateway.authorizer.metrics import Rules
from harness.simulator.gateway.authorizer.newcomers import Newcomers

Parsed = TypeVar("Parsed", bound=BaseModel)


class Validation(BaseModel):
    """The answer to `POST /internal/v1/api-keys/validate`; more fields may come with time."""

    model_config = ConfigDict(extra="ignore")
    valid: bool
    username: str = ""
    groups: list[str] = Field(default_factory=list)
    keyId: str = ""  # noqa: N815  the wire's own name
    subscription: str = ""


class Choice(BaseModel):
    """The answer to `POST /internal/v1/subscriptions/select`; always 200, failures are in `error` and `message`."""

    model_config = ConfigDict(extra="ignore")
    accessAllowed: bool = False  # noqa: N815
    error: str = ""
    message: str = ""
    name: str = ""
    namespace: str = ""
    resolvedModel: str = ""  # noqa: N815
    costCenter: str | None = None  # noqa: N815
    organizationId: str | None = None  # noqa: N815


class MaasApi:
    """The client. An answer other than 200 with the documented JSON is no answer: the request is refused, nothing is remembered."""

    def __init__(self, client: httpx.AsyncClient, ttl: float, rules: Rules, newcomers: Newcomers | None = None) -> None:
        self._client = client
        self._rules = rules
        self._newcomers = newcomers if newcomers is not None else Newcomers()
        self._choices: AnswerCache[Selection | Refusal] = AnswerCache(ttl)

    async def validate(self, key: str) -> Identity | None:
        """See KeyValidator."""
        answer = await self._post("/internal/v1/api-keys/validate", {"key": key}, Validation)
        if not answer.valid or not answer.username or not answer.keyId:
            return None
        return Identity(answer.username, tuple(answer.groups), answer.keyId, answer.subscription)

    async def select(self, identity: Identity, model: str, subscription: str, route: str) -> Fresh[Selection | Refusal]:
        """See Selector. What was refused before a route led to the model is no answer once one does."""
        key: Hashable = (identity.username, identity.groups, model, subscription, route)
        new = self._newcomers.has(route)
        return await self._choices.get(
            key,
            lambda: self._choose(identity, model, subscription),
            lasts=lambda answer: not (new and isinstance(answer, Refusal)),
        )

    async def _choose(self, identity: Identity, model: str, subscription: str) -> Selection | Refusal:
        question = {
            "username": identity.username,
            "groups": list(identity.groups),
            "requestedModel": model,
            "requestedSubscription": subscription,
        }
        with self._rules.evaluating("subscription-info"):
            answer = await self._post("/internal/v1/subscriptions/select", question, Choice)
        with self._rules.evaluating("subscription-valid"):
            chosen = choice(answer)
            if isinstance(chosen, Refusal):
                self._rules.denied("subscription-valid")
        return chosen

    async def _post(self, path: str, body: dict[str, Any], kind: type[Parsed]) -> Parsed:
        try:
            response = await self._client.post(path, json=body)
        except httpx.HTTPError as error:
            raise UnavailableError(f"maas-api did not answer {path}: {type(error).__name__}") from error
        if response.status_code != httpx.codes.OK:
            raise UnavailableError(f"maas-api answered {path} with {response.status_code}, expected 200")
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as error:
            raise UnavailableError(f"maas-api answered {path} with a body of another shape") from error


def choice(answer: Choice) -> Selection | Refusal:
    """What the answer means: it pays only when it has no error and access is allowed."""
    if answer.error or not answer.accessAllowed or not answer.name or not answer.resolvedModel:
        return Refusal(403, one_line(answer.error) or "unauthorized", answer.message or "Access denied")
    return Selection(
        answer.namespace, answer.name, answer.resolvedModel, answer.costCenter or "", answer.organizationId or ""
    )


def one_line(text: str) -> str:
    """Text that may stand in a header."""
    return " ".join(text.split())
