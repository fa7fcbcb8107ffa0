"""Verifying a report without trusting whoever sends it: every file of the folder must follow from the journal, and the journal from itself.

Each rule has an id that never changes, and says what it expected, what it found, and how to mend it. What is edited by hand, in any file,
is found; a journal that was made up whole and consistent is not, and there a signature says at least who answers for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import jsonschema
import orjson
import yaml
from pydantic import ValidationError

from harness.engine.events import CheckPlanned
from harness.engine.journal import read_journal
from harness.engine.record import RunRecord
from harness.outcome import UsageFault
from harness.reporting import rules
from harness.reporting.certificate import NAME
from harness.reporting.conformance import ConformanceReport
from harness.reporting.data import report_data
from harness.reporting.objection import AGAIN, Objection, Submission
from harness.reporting.quick_yaml import AmbiguousDocument, load_plain
from harness.reporting.signature import read_signatures
from harness.reporting.signing_key import PublicKey

SCHEMA: Final = "conformance-report.schema.json"


def verify(
    folder: Path,
    suite: Sequence[CheckPlanned],
    suite_digest: str,
    now: datetime | None = None,
    trusted: Sequence[PublicKey] = (),
) -> tuple[ConformanceReport | None, list[Objection]]:
    """The report and every objection to it, gravest first; none means that it would be accepted.

    `suite` has every check of this installation, `suite_digest` is their digest. Where keys are `trusted`, a signature by one of them is
    asked for. Raises UsageFault when the folder holds no report.
    """
    linked = list(rules.plain_files(folder))
    if linked:
        return None, linked
    try:
        document = _read(folder)
    except AmbiguousDocument as error:
        return None, [Objection("V001", "a document that everybody reads alike", str(error), AGAIN)]
    objections = list(_against_schema(document))
    if objections:
        return None, objections
    try:
        report = ConformanceReport.model_validate(document)
        events = read_journal(folder)
    except (ValidationError, UsageFault) as error:
        return None, [Objection("V002", "a report and a journal of this version", str(error).partition("\n")[0], AGAIN)]
    submission = Submission(folder, document, report, events, RunRecord.of(events))
    for rule in rules.SOUND:
        objections += rule(submission)
    if not any(objection.rule == "V005" for objection in objections):
        for rule in rules.CONSISTENCY:
            objections += rule(submission)
    objections = [*rules.same_suite(submission, suite_digest), *objections]
    objections += rules.signed(report, read_signatures(folder, trusted), trusted)
    if objections:
        return report, objections
    return report, [*rules.complete(submission, suite), *rules.accepted(submission, now or datetime.now(UTC))]


def _read(folder: Path) -> dict[str, Any]:
    path = folder / NAME
    try:
        document = load_plain(path.read_bytes())
    except OSError as error:
        raise UsageFault(f"{folder} holds no report: cannot read {NAME}: {error.strerror}") from error
    except AmbiguousDocument:
        raise
    except yaml.YAMLError as error:
        raise UsageFault(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise UsageFault(f"{path} is no report: expected a mapping, got {type(document).__name__}")
    return document


def _against_schema(document: Mapping[str, Any]) -> Iterable[Objection]:
    try:
        plain = orjson.loads(orjson.dumps(document))
    except TypeError as error:
        yield Objection("V001", "values that JSON has, too", str(error), AGAIN)
        return
    validator = jsonschema.Draft202012Validator(orjson.loads(report_data(SCHEMA).read_bytes()))
    for problem in sorted(validator.iter_errors(plain), key=lambda found: list(map(str, found.path))):
        where = ".".join(map(str, problem.absolute_path)) or "the document"
        yield Objection("V001", "a document of the published schema", f"{where}: {problem.message[:200]}", AGAIN)
