"""The run journal's vocabulary: what happened, in the order in which it happened, one JSON object a line.

Consumers (console, JUnit, Allure, summary) read these and nothing else. An event is never changed or removed; a later one may correct it.
Every event carries `at` (Unix seconds) and `worker` (pytest-xdist's name, or `main`).
"""

from typing import Literal

import msgspec

Outcome = Literal["passed", "failed", "not_runnable", "skipped", "passed_on_retry"]
Verdict = Outcome | Literal["known_failure"]
"""The class of a check in a run: a failure that was declared beforehand is one of its own."""
Blame = Literal["platform", "environment", "harness"]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", forbid_unknown_fields=True):
    """What every line of the journal has."""

    at: float
    worker: str = "main"


class Product(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose platform a run judges, as the person who started it says: a report holds for this version and configuration alone."""

    organization: str = ""
    project: str = ""
    version: str = ""
    configuration: str = ""


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """The run's identity and what it is about to judge."""

    run_id: str
    suite_version: str
    target: str
    stack: str
    profile: str
    arguments: tuple[str, ...]
    versions: dict[str, str]
    parameters: dict[str, float | str]
    startup_s: float | None
    catalogue_digest: str = ""
    """16 hex digits: the requirements that were judged."""
    suite_digest: str = ""
    """SHA-256 over the files of checks: what judged them."""
    product: Product | None = None
    identity: str = ""
    """The address of a platform that was there before the run; empty for one that the run itself started."""
    seed: int | None = None
    """What shuffled the checks; None: they ran in the order of their files."""


class KnownFailureDeclared(Event, frozen=True, kw_only=True, tag="known_failure"):
    """A failure that the person who started the run expects: of a check (its id or name) or of a requirement; until the day `expires`."""

    subject: str
    issue: str
    expires: str
    comment: str = ""

    def covers(self, check_id: str, requirements: tuple[str, ...]) -> bool:
        """Whether it speaks of this check, or of one of these requirements."""
        name = check_id.rpartition("::")[2]
        return self.subject in {check_id, check_id.partition("[")[0], name, name.partition("[")[0], *requirements}


class StepTaken(Event, frozen=True, kw_only=True, tag="step"):
    """One line of progress while the target was opened or closed."""

    text: str


class SuiteCollected(Event, frozen=True, kw_only=True, tag="suite_collected"):
    """Traceability before any selection: each check found, with the requirements that it proves; and those that this run leaves out."""

    proofs: dict[str, tuple[str, ...]]
    deselected: tuple[str, ...]


class CollectionFailed(Event, frozen=True, kw_only=True, tag="collection_failed"):
    """A scenario file could not be read, or a check declares what cannot be; nothing in it was judged."""

    where: str
    problem: str


class CheckPlanned(Event, frozen=True, kw_only=True, tag="check_planned"):
    """A check was collected; `not_runnable` says why it will not run, else None."""

    check_id: str
    requirements: tuple[str, ...]
    needs: tuple[str, ...]
    file: str
    line: int
    title: str
    canary: bool = False
    alone: bool = False
    not_runnable: str | None = None


class CheckStarted(Event, frozen=True, kw_only=True, tag="check_started"):
    """A worker began a check."""

    check_id: str
    attempt: int = 1


class ExchangeRecorded(Event, frozen=True, kw_only=True, tag="exchange"):
    """One HTTP exchange of a check, without credentials: bodies are redacted and cut to 4,096 characters."""

    check_id: str
    request_id: str
    method: str
    url: str
    request_headers: dict[str, str]
    request_body: str | None
    status: int | None
    response_headers: tuple[tuple[str, str], ...]
    response_body: str
    total_tokens: int | None
    ttft_s: float | None
    duration_s: float
    error: str | None
    curl: str


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a check failed, in the words that every report shows; `curl` repeats it: kubectl where it is about an object."""

    title: str
    requirement: str
    requirement_text: str
    expected: str
    observed: str
    curl: str | None
    blame: Blame
    detail: str


class CheckFinished(Event, frozen=True, kw_only=True, tag="check_finished"):
    """The verdict of one attempt; the last one of a check counts, the first one is never hidden."""

    check_id: str
    outcome: Outcome
    attempt: int
    duration_s: float
    reason: str | None = None
    failure: Failure | None = None


class ObjectState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an object said of itself when a check failed, and what was said of it.

    `conditions` are lines `Type=Status Reason: message`, `events` are lines `Type Reason (xCount): message`, the latest last.
    """

    kind: str
    namespace: str
    name: str
    phase: str | None
    conditions: tuple[str, ...]
    events: tuple[str, ...] = ()


class DiagnosticsTaken(Event, frozen=True, kw_only=True, tag="diagnostics"):
    """The surroundings of a failure, taken before anything was torn down; `unavailable` says what could not be read and why.

    `books` has for each of the three books of tokens the lines that speak of the check's latest requests and of its subscriptions.
    """

    check_id: str
    attempt: int
    objects: tuple[ObjectState, ...] = ()
    logs: dict[str, str] = {}
    books: dict[str, tuple[str, ...]] = {}
    traceback: str = ""
    unavailable: tuple[str, ...] = ()


class WorkerLost(Event, frozen=True, kw_only=True, tag="worker_lost"):
    """A test worker died; `check_id` is the check that it was running, if any."""

    name: str
    check_id: str | None
    reason: str


class CredentialFound(Event, frozen=True, kw_only=True, tag="credential_found"):
    """The final scan met a live credential in these files of the out folder; they must not be published."""

    files: tuple[str, ...]


class CharacteristicMeasured(Event, frozen=True, kw_only=True, tag="characteristic"):
    """A measured fact that is published beside the verdicts and judges nobody."""

    check_id: str
    name: str
    value: float
    unit: str


class LeftBehind(Event, frozen=True, kw_only=True, tag="left_behind"):
    """What teardown found still there; an empty list is the good news."""

    objects: tuple[str, ...]


class RunFinished(Event, frozen=True, kw_only=True, tag="run_finished"):
    """The end; a journal without it was interrupted."""

    duration_s: float
    exit_code: int
    reason: str = ""
    """The verdict in one sentence."""


AnyEvent = (
    RunStarted
    | KnownFailureDeclared
    | StepTaken
    | SuiteCollected
    | CollectionFailed
    | CheckPlanned
    | CheckStarted
    | ExchangeRecorded
    | CheckFinished
    | DiagnosticsTaken
    | CharacteristicMeasured
    | WorkerLost
    | LeftBehind
    | CredentialFound
    | RunFinished
)


def encode(event: AnyEvent) -> bytes:
    """One line, newline included."""
    return msgspec.json.encode(event) + b"\n"


def decode(line: bytes) -> AnyEvent:
    """Read one line. Raises msgspec.ValidationError when it is no event of this version."""
    event: AnyEvent = msgspec.json.decode(line, type=AnyEvent)
    return event
