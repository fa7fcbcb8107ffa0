"""From samples to a verdict: pass, fail, or invalid when the generator was the bottleneck and nothing can be concluded."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from harness.load.profile import Profile
from harness.load.sample import GeneratorReport, LoadResult, Sample, percentile
from harness.outcome import ExitCode

Word = Literal["pass", "fail", "invalid"]
_BUSY: float = 0.85
"""Users that wait for answers more than this share of their time leave no room for the rate: the platform is what holds them."""


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured between warm-up and end; None where there was nothing of the kind."""

    requests: int
    achieved_rate: float
    target_rate: float
    error_share: float
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p95_latency_from_intended_ms: float | None
    p50_ttft_ms: float | None
    p95_ttft_ms: float | None
    users_busy: float
    generator_cpu_cores: float
    generator_timer_lag_p95_ms: float


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One objective and how it went; `met` None means that nothing was measured."""

    name: str
    wanted: str
    measured: float | None
    met: bool | None


class LoadVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The word, the reason in one sentence, and every objective."""

    word: Word
    reason: str
    objectives: tuple[Objective, ...]
    measured: Measured

    @property
    def exit_code(self) -> ExitCode:
        """0 passed, 1 target missed, 5 invalid."""
        return {"pass": ExitCode.CONFORMANT, "fail": ExitCode.NOT_CONFORMANT, "invalid": ExitCode.INVALID}[self.word]


def measure(profile: Profile, result: LoadResult) -> Measured:
    """Sum up what ended in the measured time."""
    begin, end = profile.warmup_s, profile.warmup_s + profile.duration_s
    inside = [sample for sample in result.samples if begin <= sample.ended_s < end]
    good = [sample for sample in inside if sample.error is None]
    whole = [sample for sample in good if sample.kind != "stream"]
    streams = [sample.ttft_s for sample in good if sample.ttft_s is not None]
    report = result.generator
    return Measured(
        requests=len(inside),
        achieved_rate=len(good) / profile.duration_s,
        target_rate=profile.rate,
        error_share=(len(inside) - len(good)) / len(inside) if inside else 1.0,
        p50_latency_ms=_ms(percentile((sample.latency_s for sample in whole), 0.5)),
        p95_latency_ms=_ms(percentile((sample.latency_s for sample in whole), 0.95)),
        p95_latency_from_intended_ms=_ms(percentile((sample.latency_from_intended_s for sample in whole), 0.95)),
        p50_ttft_ms=_ms(percentile(streams, 0.5)),
        p95_ttft_ms=_ms(percentile(streams, 0.95)),
        users_busy=_busy(inside, profile, report),
        generator_cpu_cores=report.cpu_cores,
        generator_timer_lag_p95_ms=report.timer_lag_p95_s * 1000,
    )


def judge(profile: Profile, measured: Measured) -> LoadVerdict:
    """Pass when every objective is met; else fail, unless the generator is to blame."""
    objectives = _objectives(profile, measured)
    missed = [objective for objective in objectives if objective.met is False]
    if not measured.requests:
        return LoadVerdict("invalid", "no request ended in the measured time", objectives, measured)
    if not missed:
        return LoadVerdict("pass", "every objective is met", objectives, measured)
    bottleneck = _bottleneck(profile, measured, missed)
    if bottleneck:
        return LoadVerdict("invalid", f"the load generator was the bottleneck: {bottleneck}", objectives, measured)
    return LoadVerdict("fail", f"missed: {', '.join(objective.name for objective in missed)}", objectives, measured)


def _bottleneck(profile: Profile, measured: Measured, missed: Sequence[Objective]) -> str | None:
    if measured.generator_cpu_cores >= profile.generator.cpu_cores:
        return (
            f"it used {measured.generator_cpu_cores:.2f} of a core (limit {profile.generator.cpu_cores:g}), "
            "so what it measured is its own delay"
        )
    only_rate = {objective.name for objective in missed} == {"achieved_rate"}
    if only_rate and measured.users_busy < _BUSY:
        return (
            f"it sent {measured.achieved_rate:.1f} of {profile.rate:g} requests a second while its users waited for "
            f"answers only {measured.users_busy:.0%} of the time"
        )
    return None


def _objectives(profile: Profile, measured: Measured) -> tuple[Objective, ...]:
    wanted = profile.objectives
    least = wanted.achieved_rate * profile.rate
    return (
        Objective("achieved_rate", f">= {least:g}/s", measured.achieved_rate, measured.achieved_rate >= least),
        Objective(
            "error_share",
            f"<= {wanted.error_share:g}",
            measured.error_share,
            measured.error_share <= wanted.error_share,
        ),
        _at_most("p95_latency_ms", wanted.p95_latency_ms, measured.p95_latency_ms),
        _at_most("p95_ttft_ms", wanted.p95_ttft_ms, measured.p95_ttft_ms),
    )


def _at_most(name: str, limit: float, value: float | None) -> Objective:
    return Objective(name, f"<= {limit:g}", value, None if value is None else value <= limit)


def _busy(samples: Sequence[Sample], profile: Profile, report: GeneratorReport) -> float:
    """Little's law: the share of their time that users spent waiting for answers."""
    waited = sum(sample.latency_s for sample in samples)
    return waited / (profile.duration_s * max(1, report.users))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
