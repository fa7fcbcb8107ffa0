"""One promise of a MaaS platform, as the catalogue states it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Level = Literal["must", "should", "may", "observe"]
Scope = Literal["neutral", "api", "stack"]
Evidence = Literal["code", "docs", "inferred", "behaviour"]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
RequirementId = Annotated[str, StringConstraints(pattern=r"^MAAS-[A-Z]+-[0-9]{3}$")]


class Requirement(BaseModel):
    """A row of the catalogue: `must` and `should` decide conformance, `may` is an option, `observe` is recorded and judges nobody.

    `scope` says for whom it holds: any MaaS (`neutral`), any deployment of this API and these CRDs (`api`), or one data plane (`stack`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: RequirementId
    area: Text
    level: Level
    scope: Scope
    requirement: Text = Field(description="the promise in one sentence")
    given: Text | None = None
    when: Text | None = None
    then: Text | None = None
    kuadrant: Text | None = Field(None, description="what the Kuadrant data plane does in particular")
    evidence: tuple[Evidence, ...] = Field(description="what the row was derived from; a live platform decides")
    source: tuple[Text, ...] = Field((), description="provenance: files of the upstream project")
    uncovered: Text | None = Field(None, description="why no check can show it from outside")
    reference: Text | None = Field(
        None, description="what the reference platform decided where the row decides nothing, and why"
    )

    @property
    def decides(self) -> bool:
        """Whether breaking it makes a platform not conformant."""
        return self.level in {"must", "should"}

    @property
    def expectation(self) -> str:
        """What should be seen, in one line: the outcome where the row states one, else the promise itself."""
        return self.then or self.requirement
