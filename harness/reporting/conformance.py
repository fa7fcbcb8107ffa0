"""The shape of `report.yaml`, kind ConformanceReport: what a vendor submits and a reviewer verifies.

Published as `reports/conformance-report.schema.json`. Two places are the vendor's own to fill in, `implementation` and the
comments; all else follows from the journal.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from harness.engine.events import Blame, Verdict
from harness.spec.requirement import Level, RequirementId

API_VERSION = "maas-conformance.dev/v1alpha1"
KIND = "ConformanceReport"
Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
FeatureState = Literal["proven", "unproven", "unsupported", "not_evaluated"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class Implementation(_Part):
    """Whose platform it is: what the run was told, and otherwise filled in by the vendor."""

    organization: str = ""
    project: str = ""
    version: str = ""
    configuration: str = Field("", description="a report holds for this product version and configuration alone")
    url: str = ""
    contact: tuple[str, ...] = ()


class SuiteIdentity(_Part):
    """What judged the platform."""

    version: str
    catalogue: str = Field(description="digest of the requirements, 16 hex digits")
    checks: str = Field(description="SHA-256 of the files of checks")


class PlatformIdentity(_Part):
    """What was judged; versions and image digests were discovered, not typed."""

    target: Literal["embedded", "kind", "cluster", "endpoint"]
    stack: Literal["reference", "upstream", "installed"]
    versions: dict[str, str]
    parameters: dict[str, float | str]
    overrides: dict[str, float | str] = Field(description="parameters that differ from the suite's own")


class Run(_Part):
    """When and how."""

    id: str
    started_at: datetime
    finished_at: datetime
    duration_seconds: float
    startup_seconds: float | None = Field(None, description="absent: the platform was there before the run")
    arguments: tuple[str, ...]
    seed: int | None = Field(None, description="what shuffled the checks; null: they ran in the order of their files")


class Result(_Part):
    """The verdict."""

    conformant: bool
    exit_code: int
    reason: str
    passed: int
    failed: int
    known_failures: int = Field(0, description="failures that were declared beforehand; they never count as passed")
    not_runnable: int
    skipped: int
    passed_on_retry: int
    unfinished: int


class Feature(_Part):
    """An area of the catalogue: proven when every requirement of it that has a check is; a skipped check proves nothing."""

    area: str
    state: FeatureState
    proven: int
    broken: int
    not_evaluated: int
    uncovered: int


class RequirementResult(_Part):
    """One promise."""

    id: RequirementId
    level: Level
    promise: str = Field("", description="the requirement in the words of the catalogue that judged")
    state: Literal["proven", "broken", "not_evaluated", "uncovered"]
    reason: str | None = Field(None, description="why it has no check")


class KnownFailureReport(_Part):
    """A failure that was declared before the run."""

    subject: str = Field(description="the check or the requirement that was declared")
    issue: str = Field(pattern=r"^https?://[^\s/]+/?\S*$", description="where it is tracked; pages link to it")
    expires: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="a day, as YYYY-MM-DD")
    comment: str = ""


class FailureReport(_Part):
    """Why a check failed; `comment` is the vendor's."""

    requirement: RequirementId
    expected: str
    observed: str
    blame: Blame
    detail: str = ""
    curl: str | None = None
    known: KnownFailureReport | None = None
    comment: str = ""


class CheckResult(_Part):
    """One check, passed ones too."""

    id: str
    requirements: tuple[RequirementId, ...]
    outcome: Verdict | Literal["unfinished"]
    attempts: int
    duration_seconds: float
    reason: str | None = None
    failure: FailureReport | None = None


class Characteristic(_Part):
    """A measured fact that judges nobody."""

    check: str
    name: str
    value: float
    unit: str


class ConformanceReport(_Part):
    """The whole report; `evidence` holds the digests of the other files of the folder."""

    api_version: Literal["maas-conformance.dev/v1alpha1"] = "maas-conformance.dev/v1alpha1"
    kind: Literal["ConformanceReport"] = "ConformanceReport"
    statement: str
    implementation: Implementation = Implementation()
    suite: SuiteIdentity
    platform: PlatformIdentity
    profile: str
    run: Run
    valid_until: datetime
    result: Result
    features: tuple[Feature, ...]
    requirements: tuple[RequirementResult, ...]
    checks: tuple[CheckResult, ...]
    characteristics: tuple[Characteristic, ...]
    evidence: dict[str, Digest]


def schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": KIND,
        **ConformanceReport.model_json_schema(by_alias=True),
    }
