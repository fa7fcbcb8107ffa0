"""What a run amounts to: the fold of its journal, from which the exit code and every report are taken, so that they cannot disagree."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.engine.events import (
    AnyEvent,
    CharacteristicMeasured,
    CheckFinished,
    CheckPlanned,
    CheckStarted,
    CollectionFailed,
    CredentialFound,
    DiagnosticsTaken,
    ExchangeRecorded,
    KnownFailureDeclared,
    LeftBehind,
    RunFinished,
    RunStarted,
    StepTaken,
    SuiteCollected,
    Verdict,
    WorkerLost,
)


@dataclass(slots=True)
class CheckRecord:
    """One check's story: its plan, every attempt, and the evidence of those that failed."""

    planned: CheckPlanned
    started: list[CheckStarted] = field(default_factory=list)
    attempts: list[CheckFinished] = field(default_factory=list)
    exchanges: list[ExchangeRecorded] = field(default_factory=list)
    exchange_count: int = 0
    diagnostics: list[DiagnosticsTaken] = field(default_factory=list)
    characteristics: list[CharacteristicMeasured] = field(default_factory=list)
    known: KnownFailureDeclared | None = None
    """What was declared beforehand of the failure that counts."""

    @property
    def final(self) -> CheckFinished | None:
        """The attempt that counts; None while the check runs or when the run ended before it."""
        return self.attempts[-1] if self.attempts else None

    @property
    def outcome(self) -> Verdict | None:
        """The class of the final attempt; a failure that was declared beforehand is no `failed`, and no `passed`."""
        if not self.attempts:
            return None
        return "known_failure" if self.known else self.attempts[-1].outcome

    @property
    def duration_s(self) -> float:
        """All attempts together."""
        return sum(attempt.duration_s for attempt in self.attempts)


@dataclass(slots=True)
class RunRecord:
    """All that the journal has said so far."""

    started: RunStarted | None = None
    finished: RunFinished | None = None
    proofs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    deselected: tuple[str, ...] = ()
    checks: dict[str, CheckRecord] = field(default_factory=dict)
    steps: list[StepTaken] = field(default_factory=list)
    collection_failures: list[CollectionFailed] = field(default_factory=list)
    lost_workers: list[WorkerLost] = field(default_factory=list)
    left_behind: tuple[str, ...] = ()
    credentials_in: tuple[str, ...] = ()
    declared: dict[str, KnownFailureDeclared] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[AnyEvent]) -> "RunRecord":
        """Fold a whole journal. A check's events may come before its plan: workers share no clock tick."""
        record = cls()
        ordered = sorted(events, key=lambda event: not isinstance(event, CheckPlanned))
        for event in ordered:
            record.apply(event)
        return record

    def apply(self, event: AnyEvent) -> None:
        """Take one event in. Events of a check that was never planned are impossible for a whole journal and ignored in a torn one."""
        match event:
            case RunStarted():
                self.started = event
            case RunFinished():
                self.finished = event
            case StepTaken() | CollectionFailed() | WorkerLost() | LeftBehind() | CredentialFound():
                self._note(event)
            case SuiteCollected():
                self.proofs, self.deselected = dict(event.proofs), event.deselected
            case KnownFailureDeclared():
                self.declared.setdefault(event.subject, event)
                for known in self.checks.values():
                    known.known = self._known(known)
            case CheckPlanned():
                self.checks.setdefault(event.check_id, CheckRecord(event))
            case _:
                check = self.checks.get(event.check_id)
                if check is not None:
                    _apply_to_check(check, event)
                    check.known = self._known(check)

    def _note(self, event: StepTaken | CollectionFailed | WorkerLost | LeftBehind | CredentialFound) -> None:
        match event:
            case StepTaken():
                self.steps.append(event)
            case CollectionFailed():
                self.collection_failures.append(event)
            case WorkerLost():
                self.lost_workers.append(event)
            case LeftBehind():
                self.left_behind += event.objects
            case CredentialFound():
                self.credentials_in = event.files

    def _known(self, check: CheckRecord) -> KnownFailureDeclared | None:
        """The declaration that the failure which counts falls under; only a broken promise can be known, not a fault of others."""
        failure = check.final.failure if check.final else None
        if failure is None or failure.blame != "platform":
            return None
        found = (
            entry for entry in self.declared.values() if entry.covers(check.planned.check_id, (failure.requirement,))
        )
        return next(found, None)

    @property
    def outdated(self) -> list[KnownFailureDeclared]:
        """Declarations whose checks all came to a verdict without failing so, or that speak of nothing in this suite.

        One that speaks of a check which this run left out is not judged.
        """
        return [entry for entry in self.declared.values() if self._is_outdated(entry)]

    def _is_outdated(self, entry: KnownFailureDeclared) -> bool:
        meant = [name for name, requirements in self.proofs.items() if entry.covers(name, requirements)]
        checks = [self.checks.get(name) for name in meant]
        judged = all(check is not None and check.outcome not in (None, "not_runnable", "skipped") for check in checks)
        return bool(self.proofs) and judged and not any(check and check.known is entry for check in checks)

    def having(self, *outcomes: Verdict) -> list[CheckRecord]:
        """Checks whose final attempt is in one of these classes, in the order of the plan."""
        return [check for check in self.checks.values() if check.outcome in outcomes]

    @property
    def unfinished(self) -> list[CheckRecord]:
        """Planned checks without a verdict: the run ended before them or in the midst of them."""
        return [check for check in self.checks.values() if check.outcome is None]

    @property
    def counts(self) -> Counter[Verdict]:
        """How many checks ended in each class."""
        return Counter(check.outcome for check in self.checks.values() if check.outcome is not None)

    @property
    def broken_canaries(self) -> list[CheckRecord]:
        """Canaries that failed: nothing else that this run says about limits can be believed."""
        return [check for check in self.having("failed", "known_failure") if check.planned.canary]


def _apply_to_check(check: CheckRecord, event: AnyEvent) -> None:
    match event:
        case CheckStarted():
            check.started.append(event)
        case ExchangeRecorded():
            check.exchange_count += 1
            check.exchanges.append(event)
        case DiagnosticsTaken():
            check.diagnostics.append(event)
        case CharacteristicMeasured():
            check.characteristics.append(event)
        case CheckFinished():
            check.attempts.append(event)
            if event.outcome != "failed" and len(check.attempts) == 1:
                # the evidence of a check that passed stays in the journal; hundreds of them in memory serve nobody
                check.exchanges.clear()
