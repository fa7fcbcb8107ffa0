"""Failures that a vendor knows: declared with an issue and a day of expiry, so that they stay visible and cannot be forgotten."""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from harness.engine.events import KnownFailureDeclared
from harness.outcome import UsageFault
from harness.spec.catalogue import catalogue
from harness.spec.requirement import RequirementId

_Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+/?\S*$")]


class KnownFailure(BaseModel):
    """One entry: what fails (a check, or whatever breaks a requirement), where that is tracked, and until when it is expected."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    check: Annotated[str, StringConstraints(min_length=1)] | None = None
    requirement: RequirementId | None = None
    issue: _Url
    expires: date
    comment: str = ""

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.check is None) == (self.requirement is None):
            raise ValueError("give either check or requirement")
        return self

    @property
    def subject(self) -> str:
        """The check or the requirement."""
        return self.check or self.requirement or ""

    def declared(self, at: float) -> KnownFailureDeclared:
        """As the journal keeps it."""
        return KnownFailureDeclared(
            at=at, subject=self.subject, issue=self.issue, expires=self.expires.isoformat(), comment=self.comment
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    known_failures: tuple[KnownFailure, ...] = Field(alias="knownFailures")


def known_failures(path: Path, today: date | None = None) -> tuple[KnownFailure, ...]:
    """Read the file. Raises UsageFault naming file and entry: malformed, expired, declared twice, or of an unknown requirement."""
    found = _read(path)
    day = today or datetime.now(UTC).date()
    seen: set[str] = set()
    for number, entry in enumerate(found, start=1):
        where = f"{path}: entry {number} ({entry.subject})"
        if entry.expires < day:
            raise UsageFault(
                f"{where} expired on {entry.expires}: mend the failure, or agree on a later day in {entry.issue}"
            )
        if entry.subject in seen:
            raise UsageFault(f"{where} is declared twice: leave one")
        if entry.requirement is not None and entry.requirement not in catalogue():
            raise UsageFault(
                f"{where} names a requirement that the catalogue does not have: `maas-conformance explain` lists them"
            )
        seen.add(entry.subject)
    return found


def _read(path: Path) -> tuple[KnownFailure, ...]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise UsageFault(f"{path} is no list of known failures: expected a mapping with the field knownFailures")
        return _File.model_validate(document).known_failures
    except OSError as error:
        raise UsageFault(f"cannot read the known failures {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageFault(f"the known failures {path} are not UTF-8 text") from error
    except yaml.YAMLError as error:
        raise UsageFault(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part + 1) if isinstance(part, int) else part for part in first["loc"]) or "the document"
        raise UsageFault(f"{path} is no list of known failures: {where}: {first['msg']}") from error


def refuse_unknown_checks(entries: Iterable[KnownFailure], scenarios: Path) -> None:
    """Look for each check's test function in the files of the suite, without collecting it. Raises UsageFault naming one it lacks."""
    text = ""
    for entry in entries:
        if entry.check is None:
            continue
        text = text or "\n".join(file.read_text(encoding="utf-8") for file in sorted(scenarios.rglob("test_*.py")))
        name = entry.check.rpartition("::")[2].partition("[")[0]
        if not re.search(rf"^\s*(async )?def {re.escape(name)}\(", text, re.MULTILINE):
            raise UsageFault(
                f"the known failure {entry.check} names no check of this suite: `maas-conformance plan` lists them"
            )
