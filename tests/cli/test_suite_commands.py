"""`run`, `plan` and `explain` as a person types them, on the packaged suite, without starting a platform."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.cli.plan import KINDS, QUESTIONS
from harness.cli.run import default_workers
from harness.cli.suite import AUTOLOAD_OFF, without_strangers
from harness.outcome import ExitCode
from harness.platforms.platform import Namespaces, Platform
from harness.platforms.rights import rights_needed
from tests.cli.black_box import black_box
from tests.command_line import maas


@pytest.fixture
def platform_file(tmp_path: Path) -> Iterator[Path]:
    """Of a black box."""
    with black_box(tmp_path) as path:
        yield path


def test_a_plan_starts_nothing_and_names_what_it_would_do(tmp_path: Path) -> None:
    done = maas("plan", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    plan = json.loads(done.stdout)
    assert list(tmp_path.iterdir()) == []
    assert plan["checks"][0]["canary"] is True
    assert {"MaaSSubscription", "LLMInferenceService", "Gateway", "AITenant", "Job"} <= set(plan["objects"])
    assert "create serviceaccounts/token" in plan["permissions"]
    assert len(plan["permissions"]) == len(set(plan["permissions"]))
    assert plan["requirements"]["covered"] > 30
    expected = plan["expected"]
    assert (expected["measured_on"], expected["seconds"] > 1, expected["tokens"] > 100) == ("embedded", True, True)


def test_every_right_to_create_is_a_kind_that_a_plan_names() -> None:
    created = {
        right.resource for rights in rights_needed(Namespaces()).values() for right in rights if right.verb == "create"
    }
    assert created == KINDS.keys() | QUESTIONS


def test_a_plan_says_what_cannot_run_and_why(tmp_path: Path, platform_file: Path) -> None:
    done = maas("plan", "--platform", str(platform_file), cwd=tmp_path)
    assert done.returncode == 0
    assert "needs kube: target endpoint does not provide it" in done.stdout
    assert "would create and remove: nothing" in done.stdout
    assert "needs no permission" in done.stdout


@pytest.mark.parametrize("allowed", [200, None])
def test_a_plan_says_which_budget_it_would_spend_to_its_end(
    tmp_path: Path, platform_file: Path, allowed: int | None
) -> None:
    provides = {"exhaustion": allowed is not None}
    changed = Platform.load(platform_file).model_copy(update={"exhaustible_tokens": allowed, "provides": provides})
    changed.save(platform_file)
    arguments = ("plan", "--platform", str(platform_file), "--profile", "endpoint")
    told = maas(*arguments, cwd=tmp_path).stdout
    assert ("would spend the budget of `exhaustible.api_key` to its end: 200 tokens" in told) == (allowed == 200)
    document = json.loads(maas(*arguments, "--json", cwd=tmp_path).stdout)
    assert document["expected"]["exhausted_tokens"] == allowed


def test_an_area_makes_a_shorter_plan(tmp_path: Path) -> None:
    whole = json.loads(maas("plan", "--json", cwd=tmp_path).stdout)
    part = json.loads(maas("plan", "--json", "--area", "model-listing", "-n", "1", cwd=tmp_path).stdout)
    assert 0 < len(part["checks"]) < len(whole["checks"])
    assert part["expected"]["workers"] == 1


def test_run_ends_with_reports_and_the_exit_code_of_its_verdict(tmp_path: Path, platform_file: Path) -> None:
    done = maas("run", "--platform", str(platform_file), "--area", "model-listing", "-n", "2", cwd=tmp_path)
    assert done.returncode == ExitCode.ENVIRONMENT, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].startswith("ENVIRONMENT NOT READY (exit 3)")
    assert {"journal.ndjson", "summary.json", "junit.xml", "allure-results", "pytest.log"} <= {
        path.name for path in (tmp_path / "maas-out").iterdir()
    }


def test_json_is_alone_on_standard_output(tmp_path: Path, platform_file: Path) -> None:
    done = maas(
        "run", "--platform", str(platform_file), "-k", "listing", "-n", "0", "--json", "--out", "o", cwd=tmp_path
    )
    assert json.loads(done.stdout) == json.loads((tmp_path / "o" / "summary.json").read_bytes())
    assert "judging endpoint" in done.stderr


def test_the_persons_own_pytest_configuration_changes_nothing(tmp_path: Path, platform_file: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n", encoding="utf-8")
    done = maas("run", "--platform", str(platform_file), "-k", "listing", "-n", "0", cwd=tmp_path, PYTEST_ADDOPTS="")
    assert done.returncode == ExitCode.ENVIRONMENT, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--profile", "gold"), ExitCode.USAGE, "maas-conformance: no profile 'gold'; there are full"),
        (("--area", "x"), ExitCode.USAGE, "maas-conformance: no area 'x' in the catalogue"),
        (("-k", "a and"), ExitCode.USAGE, "maas-conformance: -k 'a and' is no expression"),
        (("-q", "-v"), ExitCode.USAGE, "maas-conformance: --quiet and --verbose contradict each other"),
        (("--target", "moon"), ExitCode.USAGE, "'moon' is not one of 'embedded', 'kind', 'cluster', 'endpoint'"),
        (("--bogus",), ExitCode.USAGE, "No such option"),
        (("--out", "/dev/null/x"), ExitCode.ENVIRONMENT, "cannot write the out folder /dev/null/x: Not a directory"),
        (("--platform", "nowhere.json"), ExitCode.USAGE, "cannot read the platform file"),
        (("--set", "x"), ExitCode.USAGE, "expected NAME=VALUE, got 'x'"),
    ],
)
def test_bad_input_is_one_sentence_and_the_right_exit_code(
    tmp_path: Path, arguments: tuple[str, ...], code: ExitCode, words: str
) -> None:
    done = maas("run", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_requirement_is_explained_with_its_checks(tmp_path: Path) -> None:
    document = json.loads(maas("explain", "maas-rate-001", "--json", cwd=tmp_path).stdout)
    assert document["level"] == "must"
    assert "scenarios/canary/test_canary.py::test_three_times_the_budget_is_not_served" in document["checks"]
    assert "core" in document["profiles"]
    assert "without_check" not in document


def test_a_requirement_without_a_check_says_why(tmp_path: Path) -> None:
    document = json.loads(maas("explain", "MAAS-TOK-025", "--json", cwd=tmp_path).stdout)
    assert document["checks"] == []
    assert document["without_check"] == "an option of the platform: only recorded where a check meets it"


def test_a_check_is_explained_with_its_requirements(tmp_path: Path) -> None:
    text = maas("explain", "test_three_times_the_budget_is_not_served", cwd=tmp_path).stdout
    assert "MAAS-RATE-001 (must)" in text
    assert "where: scenarios/canary/test_canary.py:" in text
    assert "reading a failure:" in text


def test_an_unknown_name_is_one_sentence(tmp_path: Path) -> None:
    done = maas("explain", "MAAS-RATE-01", cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "neither a requirement nor a check is called MAAS-RATE-01; did you mean MAAS-RATE-0" in done.stderr


def test_without_a_name_requirements_are_listed(tmp_path: Path) -> None:
    lines = maas("explain", "--area", "token-rate-limits", cwd=tmp_path).stdout.splitlines()
    assert len(lines) == 28
    assert lines[0].startswith("MAAS-RATE-001   must ")


def test_workers_are_two_a_core_and_at_most_eight() -> None:
    assert default_workers() == min(8, 2 * len(os.sched_getaffinity(0)))


@pytest.mark.parametrize("before", [None, "0"])
def test_plugins_are_kept_out_for_as_long_as_the_suite_is_read(
    monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before is None:
        monkeypatch.delenv(AUTOLOAD_OFF, raising=False)
    else:
        monkeypatch.setenv(AUTOLOAD_OFF, before)
    with without_strangers():
        assert os.environ[AUTOLOAD_OFF] == "1"
    assert os.environ.get(AUTOLOAD_OFF) == before
