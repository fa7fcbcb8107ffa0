"""Every class of result, with and without workers, and the exit code that follows."""

import pytest

from harness.engine.events import CheckFinished, DiagnosticsTaken, ExchangeRecorded
from harness.outcome import ExitCode
from harness.platforms.platform import Platform
from tests.engine.conftest import Suite

WORKERS = pytest.mark.parametrize("workers", ["0", "2"])

MIXED = """
@check("MAAS-LIST-001")
def test_passes(): pass

@check("MAAS-RATE-001")
def test_breaks_a_promise(recorder):
    recorder.exchange(exchange())
    raise NotConformant(expected="429", observed="200", exchange=exchange(), detail="budget 10")

@check("MAAS-LIST-002", needs={"clock"})
def test_needs_what_is_not_there(): raise AssertionError("never runs")

@check("MAAS-LIST-003")
def test_skipped(): pytest.skip("not today")

@check("MAAS-LIST-004")
def test_passes_at_last():
    marker = os.path.join(os.path.dirname(__file__), "again")
    if not os.path.exists(marker):
        open(marker, "w").close()
        raise NotConformant(expected="yes", observed="no")
"""


@WORKERS
def test_each_class_is_counted_apart(suite: Suite, workers: str) -> None:
    suite.write("mixed", MIXED)
    judged = suite.run("-n", workers, "--maas-retries", "1")
    assert judged.code == ExitCode.NOT_CONFORMANT, judged.output
    counted = {
        name: judged.summary[name] for name in ("passed", "failed", "not_runnable", "skipped", "passed_on_retry")
    }
    assert counted == {"passed": 1, "failed": 1, "not_runnable": 1, "skipped": 1, "passed_on_retry": 1}
    assert judged.summary["startup_s"] == 1.5
    (reason,) = judged.summary["not_runnable_checks"]
    assert reason["reason"] == "needs clock: target embedded does not provide it"


@WORKERS
def test_a_failure_says_what_a_person_needs(suite: Suite, workers: str) -> None:
    suite.write("mixed", MIXED)
    judged = suite.run("-n", workers)
    failure = next(entry for entry in judged.summary["failures"] if entry["requirement"] == "MAAS-RATE-001")
    assert (failure["expected"], failure["observed"], failure["blame"]) == ("429", "200", "platform")
    assert failure["curl"].startswith("curl ")
    assert "$MAAS_KEY" in failure["curl"]
    told = judged.output.partition("MaaS conformance")[2]
    for words in (
        "MAAS-RATE-001: after the token budget",
        "expected 429",
        "observed 200",
        f"repeat   {failure['curl']}",
    ):
        assert words in told


def test_the_first_attempt_is_never_hidden(suite: Suite) -> None:
    suite.write("mixed", MIXED)
    judged = suite.run("--maas-retries", "1", "-k", "at_last")
    attempts = [event for event in judged.events if isinstance(event, CheckFinished)]
    assert [(event.attempt, event.outcome) for event in attempts] == [(1, "failed"), (2, "passed_on_retry")]
    assert judged.code == ExitCode.CONFORMANT
    assert "passed on retry" in judged.output


def test_what_is_missing_is_decided_before_anything_runs(suite: Suite) -> None:
    suite.write("mixed", MIXED)
    suite.platform(
        Platform(
            target="cluster",
            stack="installed",
            endpoints=suite.endpoints,
            provides={"clock": False},
            reasons={"clock": "the cluster's clock is its own"},
        )
    )
    judged = suite.run("-k", "not_there")
    (reason,) = judged.summary["not_runnable_checks"]
    assert reason["reason"] == "needs clock: the cluster's clock is its own"
    assert judged.code == ExitCode.INVALID
    assert "nothing can be concluded" in judged.summary["verdict"]


@pytest.mark.parametrize(
    ("raised", "blame", "code"),
    [
        ("NotConformant(expected='a', observed='b')", "platform", ExitCode.NOT_CONFORMANT),
        ("NotReady('the model never came up')", "environment", ExitCode.ENVIRONMENT),
        ("EnvironmentFault('the API does not answer')", "environment", ExitCode.ENVIRONMENT),
        ("ConnectionRefusedError('refused')", "environment", ExitCode.ENVIRONMENT),
        ("KeyError('status')", "harness", ExitCode.HARNESS),
        ("AssertionError('200 == 429')", "platform", ExitCode.NOT_CONFORMANT),
    ],
)
def test_the_blame_decides_the_exit_code(suite: Suite, raised: str, blame: str, code: ExitCode) -> None:
    suite.write("blame", f'@check("MAAS-LIST-001")\ndef test_it(): raise {raised}\n')
    judged = suite.run()
    assert judged.summary["failures"][0]["blame"] == blame
    assert judged.code == code


def test_an_assertion_of_the_harness_itself_is_not_the_platforms_fault(suite: Suite) -> None:
    suite.write(
        "guard",
        ""
        "from harness.cli.command import Root\n"
        '@check("MAAS-LIST-001")\n'
        "def test_it(monkeypatch):\n"
        "    monkeypatch.setattr('harness.cli.command.SUBCOMMANDS', {'x': ('harness.outcome', '')})\n"
        "    import harness.outcome; monkeypatch.setattr(harness.outcome, 'command', 'no command', raising=False)\n"
        "    Root().get_command(None, 'x')\n",
    )
    judged = suite.run()
    assert judged.summary["failures"][0]["blame"] == "harness"
    assert judged.code == ExitCode.HARNESS


def test_a_row_that_only_records_decides_nothing(suite: Suite) -> None:
    suite.write("observe", '@check("MAAS-TOK-005")\ndef test_it(): raise NotConformant(expected="a", observed="b")\n')
    suite.write("decide", '@check("MAAS-LIST-001")\ndef test_it(): pass\n')
    judged = suite.run()
    assert judged.summary["failed"] == 1
    assert judged.code == ExitCode.CONFORMANT
    assert judged.summary["verdict"].endswith("one weakness was seen in what judges nobody: MAAS-TOK-005")


def test_of_rows_that_only_record_nothing_is_concluded_and_nothing_is_said_to_have_failed(suite: Suite) -> None:
    weak = 'raise NotConformant(expected="a", observed="b")'
    suite.write(
        "observe",
        f'@check("MAAS-TOK-005")\ndef test_one(): {weak}\n@check("MAAS-TOK-006")\ndef test_other(): {weak}\n',
    )
    judged = suite.run("--maas-own-console", "stdout", "-n", "0")
    assert judged.code == ExitCode.INVALID
    assert judged.summary["verdict"] == (
        "no check of what decides conformance came to a verdict: nothing can be concluded; "
        "2 weaknesses were seen in what judges nobody: MAAS-TOK-005, MAAS-TOK-006"
    )
    assert "\ntoken-accounting: 2 checks, 2 weaknesses\n" in judged.output
    assert "\n2 weaknesses; requirements with a check" in judged.output
    assert judged.output.count("\nWEAKNESS MAAS-TOK-005: ") == 2  # when it is seen, and at the end
    assert "fail" not in judged.output.lower()


def test_what_failed_is_counted_apart_from_what_only_records(suite: Suite) -> None:
    weak = 'raise NotConformant(expected="a", observed="b")'
    suite.write(
        "mixed",
        f'@check("MAAS-TOK-005")\ndef test_weak(): {weak}\n@check("MAAS-TOK-001")\ndef test_broken(): {weak}\n'
        '@check("MAAS-TOK-006")\ndef test_not_ready(): raise NotReady("the model server is away")\n'
        '@check("MAAS-TOK-002")\ndef test_passes(): pass\n',
    )
    judged = suite.run("--maas-own-console", "stdout", "-n", "0")
    assert judged.code == ExitCode.NOT_CONFORMANT
    assert "\ntoken-accounting: 4 checks, 2 failed, 1 weakness\n" in judged.output
    assert "\n1 passed, 2 failed, 1 weakness; requirements with a check" in judged.output
    assert "\nFAILED MAAS-TOK-006: " in judged.output, "it has seen no weakness: it came to no verdict"


def test_a_strict_profile_counts_what_did_not_run_as_failed(suite: Suite) -> None:
    suite.write("mixed", MIXED)
    judged = suite.run("--maas-profile", "certified", "-k", "passes or skipped", "--maas-retries", "1")
    assert judged.code == ExitCode.NOT_CONFORMANT
    assert "did not run" not in suite.run("-k", "test_passes", "--maas-retries", "1").summary["verdict"]


def test_evidence_is_taken_before_teardown(suite: Suite) -> None:
    log = suite.folder / "authorizer.log"
    log.write_text("before the check\n", encoding="utf-8")
    suite.platform(Platform(target="embedded", stack="reference", endpoints=suite.endpoints, logs={"authorizer": log}))
    suite.write(
        "logs",
        f"""
@pytest.fixture
def noisy():
    yield
    open({str(log)!r}, "a").write("torn down\\n")

@check("MAAS-LIST-001")
def test_it(noisy, recorder):
    open({str(log)!r}, "a").write("during the check\\n")
    recorder.exchange(exchange())
    raise NotConformant(expected="a", observed="b")
""",
    )
    events = suite.run().events
    (taken,) = [event for event in events if isinstance(event, DiagnosticsTaken)]
    assert taken.logs == {"authorizer": "during the check\n"}
    assert "objects: no kubeconfig" in taken.unavailable
    (exchange,) = [event for event in events if isinstance(event, ExchangeRecorded)]
    assert (exchange.status, exchange.total_tokens) == (200, 3)
