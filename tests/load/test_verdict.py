import pytest

from harness.load.profile import Profile
from harness.load.sample import GeneratorReport, LoadResult, Sample, percentile
from harness.load.verdict import judge, measure
from harness.outcome import ExitCode

PROFILE = Profile.model_validate(
    {
        "name": "test",
        "rate": 10,
        "users": 2,
        "warmup_s": 1,
        "duration_s": 10,
        "mix": [{"kind": "chat"}, {"kind": "stream"}],
        "objectives": {"achieved_rate": 0.98, "error_share": 0.01, "p95_latency_ms": 100, "p95_ttft_ms": 50},
    }
)


def load(
    *,
    rate: float = 10,
    latency_s: float = 0.02,
    ttft_s: float = 0.01,
    errors: int = 0,
    cpu: float = 0.1,
    users: int = 2,
) -> LoadResult:
    """A load of 12 s at an even rate, half of it streams."""
    samples = [
        Sample(
            request_id=str(number),
            member=0,
            kind="stream" if number % 2 else "chat",
            intended_s=number / rate,
            started_s=number / rate,
            latency_s=latency_s,
            status=500 if number < errors + rate else 200,
            ttft_s=ttft_s if number % 2 else None,
            tokens=10,
            error="status 500" if rate <= number < errors + rate else None,
        )
        for number in range(int(rate * 12))
    ]
    return LoadResult(GeneratorReport(cpu_cores=cpu, timer_lag_p95_s=0.001, users=users), tuple(samples))


def verdict(**how):
    return judge(PROFILE, measure(PROFILE, load(**how)))


@pytest.mark.parametrize(
    ("how", "word", "missed"),
    [
        ({}, "pass", set()),
        ({"rate": 9.9}, "pass", set()),
        ({"rate": 8, "latency_s": 0.24}, "fail", {"achieved_rate", "p95_latency_ms"}),
        ({"rate": 8, "latency_s": 0.099, "ttft_s": 0.04, "users": 1}, "invalid", {"achieved_rate"}),
        ({"rate": 9, "latency_s": 0.099, "ttft_s": 0.04, "users": 1}, "fail", {"achieved_rate"}),
        ({"rate": 5}, "invalid", {"achieved_rate"}),
        ({"latency_s": 0.11}, "fail", {"p95_latency_ms"}),
        ({"ttft_s": 0.06}, "fail", {"p95_ttft_ms"}),
        ({"errors": 5}, "fail", {"achieved_rate", "error_share"}),
        ({"latency_s": 0.11, "cpu": 0.95}, "invalid", {"p95_latency_ms"}),
        ({"cpu": 0.95}, "pass", set()),
    ],
)
def test_pass_fail_and_invalid(how, word, missed):
    found = verdict(**how)
    assert {one.name for one in found.objectives if one.met is False} == missed
    assert found.word == word


@pytest.mark.parametrize(
    ("how", "code"),
    [({}, ExitCode.CONFORMANT), ({"ttft_s": 1}, ExitCode.NOT_CONFORMANT), ({"rate": 5}, ExitCode.INVALID)],
)
def test_each_word_has_its_exit_code(how, code):
    assert verdict(**how).exit_code == code


def test_an_invalid_load_says_what_made_it_so():
    assert "0.95 of a core" in verdict(latency_s=0.11, cpu=0.95).reason
    assert "sent 5.0 of 10 requests a second" in verdict(rate=5).reason


def test_what_ended_in_the_warm_up_or_after_the_end_is_not_measured():
    measured = measure(PROFILE, load())
    assert measured.requests == 100
    assert measured.achieved_rate == 10


def test_nothing_measured_is_invalid_rather_than_passed():
    nothing = LoadResult(GeneratorReport(0.0, 0.0, 2), ())
    assert judge(PROFILE, measure(PROFILE, nothing)).word == "invalid"


def test_waiting_for_a_free_user_counts_from_the_intended_time():
    late = Sample(
        request_id="1", member=0, kind="chat", intended_s=2.0, started_s=3.5, latency_s=0.25, status=200, tokens=1
    )
    assert late.latency_from_intended_s == pytest.approx(1.75)


@pytest.mark.parametrize(
    ("values", "share", "result"),
    [
        ([], 0.95, None),
        ([3], 0.95, 3),
        (range(1, 101), 0.95, 95),
        (range(1, 101), 0.5, 50),
        ([1, 2], 0.5, 1),
        ([9, 1], 1.0, 9),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values, share, result):
    assert percentile(values, share) == result


def test_a_result_survives_the_way_between_two_processes(tmp_path):
    result = load()
    result.save(tmp_path / "result.json")
    assert LoadResult.load(tmp_path / "result.json") == result
