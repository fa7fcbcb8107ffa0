"""Limits and how they come in: what one limit is, and when two limits are the same limit."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

LimitIdentity = tuple[str, str, str, int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Limit:
    """`max_value` tokens per `seconds` for each distinct value of `variables`, for requests on which every condition holds."""

    domain: str
    policy: str
    name: str
    max_value: int
    seconds: int
    conditions: tuple[str, ...]
    variables: tuple[str, ...]

    @property
    def identity(self) -> LimitIdentity:
        """What a counter belongs to. The amount is not part of it, so an edited amount keeps what was used; the window is, so an
        edited window starts at nothing (Limitador, limit.rs).
        """
        return (self.domain, self.policy, self.name, self.seconds, self.variables)


class LimitSpec(BaseModel):
    """One rate of one limit of a policy, as the gateway controller sends it."""

    model_config = ConfigDict(extra="forbid")
    policy: str = Field(description="kind-less NAMESPACE/NAME of the TokenRateLimitPolicy")
    name: str = Field(description="the key of the limit in the policy")
    max_value: int = Field(ge=0)
    seconds: int = Field(ge=0)
    conditions: list[str] = Field(default_factory=list)
    variables: list[str] = Field(default_factory=list)


class LimitSet(BaseModel):
    """The whole set: every governed route is a domain, with limits or without."""

    model_config = ConfigDict(extra="forbid")
    domains: dict[str, list[LimitSpec]]
    labels: dict[str, dict[str, str]] | None = Field(
        None,
        description="of the metrics of each domain: label to what it is taken from; without it, every label that is known",
    )

    def limits(self) -> dict[str, tuple[Limit, ...]]:
        """Domain to limits. Two rates of one limit with the same window are one limit; the first stays (Limitador's set insertion)."""
        return {domain: tuple(first_of_each(domain, specs)) for domain, specs in self.domains.items()}


def first_of_each(domain: str, specs: list[LimitSpec]) -> list[Limit]:
    """The specs as limits without repeated identities."""
    found: dict[LimitIdentity, Limit] = {}
    for spec in specs:
        limit = Limit(
            domain, spec.policy, spec.name, spec.max_value, spec.seconds, tuple(spec.conditions), tuple(spec.variables)
        )
        found.setdefault(limit.identity, limit)
    return list(found.values())
