"""The generator as its own process, against a real mock-vllm: what it notes has to be what the model server journalled."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from harness.client.secret import Secret
from harness.ledger.journal import Journals, Mark
from harness.load.drive import LOCUSTFILE
from harness.load.plan import LoadPlan, Member
from harness.load.profile import Profile
from harness.load.sample import LoadResult
from harness.platforms.platform import ModelHandle
from tests.mock_vllm.process import serving

MODEL = ModelHandle(name="m", namespace="llm", model_id="publishers/llm/models/m", path="", served_name="m")
PROFILE = Profile.model_validate(
    {
        "name": "test",
        "rate": 40,
        "users": 4,
        "identities": 2,
        "duration_s": 1.5,
        "seed": 3,
        "mix": [
            {"kind": "chat", "max_tokens": 3},
            {"kind": "stream", "max_tokens": 5},
            {"kind": "completions", "max_tokens": 2},
        ],
        "objectives": {"p95_latency_ms": 1000, "p95_ttft_ms": 1000},
    }
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    with serving(tmp_path_factory.mktemp("model"), "m") as endpoints:
        yield endpoints


def drive(folder: Path, run_time_s: int) -> None:
    """Let Locust carry out the plan of that folder."""
    locust = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless"]
    locust += ["--users", "4", "--spawn-rate", "100"]
    ending = ["--run-time", f"{run_time_s}s", "--stop-timeout", "5", "--exit-code-on-error", "0"]
    subprocess.run(
        [*locust, *ending, "--csv", str(folder / "locust")],
        env={**os.environ, "MAAS_LOAD_PLAN": str(folder / "plan.json")},
        check=True,
        capture_output=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def driven(server, tmp_path_factory) -> tuple[LoadResult, Path, Mark]:
    """The load, where it was noted, and how far the journal was before it."""
    folder = tmp_path_factory.mktemp("load")
    members = tuple(
        Member(key=Secret(f"sk-oai-{name}"), user=name, subscription=name, model=MODEL) for name in ("a", "b")
    )
    plan = LoadPlan(profile=PROFILE, gateway=server["api"], members=members, result=folder / "result.json")
    plan.save(folder / "plan.json")
    journals = Journals([server["admin"]])
    # Locust counts from its start, and a busy machine may take seconds to its first request
    for run_time_s in (3, 12, 48):
        before = journals.mark()
        drive(folder, run_time_s)
        result = LoadResult.load(folder / "result.json")
        if len(result.samples) >= PROFILE.rate:
            break
    journals.close()
    return result, folder, before


def test_every_request_is_noted_once_with_what_it_cost(server, driven):
    result, _, before = driven
    journals = Journals([server["admin"]])
    arrived = {entry.request_id: entry for entry in journals.since(before)}
    journals.close()
    noted = {sample.request_id: sample for sample in result.samples}
    assert len(noted) == len(result.samples)
    assert set(noted) == set(arrived)
    assert {key: sample.tokens for key, sample in noted.items()} == {
        key: entry.total_tokens for key, entry in arrived.items()
    }


def test_streams_have_a_time_to_first_token_and_others_have_none(driven):
    result, *_ = driven
    for sample in result.samples:
        assert sample.error is None
        assert (sample.ttft_s is not None) == (sample.kind == "stream")
        assert sample.ttft_s is None or 0 < sample.ttft_s <= sample.latency_s


def test_all_kinds_and_all_members_take_part(driven):
    result, *_ = driven
    assert {sample.kind for sample in result.samples} == {"chat", "stream", "completions"}
    assert {sample.member for sample in result.samples} == {0, 1}


def test_the_schedule_keeps_the_rate_however_late_the_requests_are(driven):
    result, *_ = driven
    intended = sorted(sample.intended_s for sample in result.samples)
    span = intended[-1] - intended[0]
    assert len(intended) == pytest.approx(40 * span, abs=PROFILE.users + 1)
    assert all(sample.intended_s <= sample.started_s + 0.001 for sample in result.samples)


def test_locusts_own_statistics_show_streams_to_their_end_and_their_first_token(driven):
    _, folder, _ = driven
    rows = (folder / "locust_stats.csv").read_text().splitlines()
    names = {tuple(row.split(",")[:2]) for row in rows[1:]}
    assert {("POST", "chat"), ("POST", "completions"), ("POST", "stream"), ("TTFT", "stream")} <= names


def test_keys_are_in_the_plan_alone(driven):
    _, folder, _ = driven
    assert (folder / "plan.json").stat().st_mode & 0o777 == 0o600
    others = [path for path in folder.iterdir() if path.name != "plan.json"]
    assert others
    assert not any(b"sk-oai-" in path.read_bytes() for path in others)


def test_without_a_platform_the_file_says_what_it_needs():
    environment = {key: text for key, text in os.environ.items() if not key.startswith("MAAS_")}
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--run-time", "1s"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "MAAS_PLATFORM=FILE" in done.stderr
    assert "Traceback" not in done.stderr
