"""A person's mistake costs one sentence, and nothing of what lies in the out folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli.suite import matches
from harness.engine.events import RunStarted
from harness.outcome import ExitCode
from tests.engine.conftest import Suite
from tests.engine.test_endings import SLOW, TARGET

ONE = '@check("MAAS-LIST-001")\ndef test_it(): pass\n'
MISTAKEN = TARGET.replace(
    'raise EnvironmentFault("no Docker on this machine: install it, or use --target embedded")',
    'from harness.outcome import UsageFault\n        raise UsageFault("the setting marker is a file, came a folder")',
)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def mistake(suite: Suite) -> list[str]:
    """Options that open a made-up target, which refuses a setting."""
    plugin = (
        f"import sys, types\nmodule = types.ModuleType('harness.platforms.kind')\nexec({MISTAKEN!r}, module.__dict__)\n"
    )
    (suite.folder / "mistaken.py").write_text(plugin + "sys.modules[module.__name__] = module\n", encoding="utf-8")
    return ["-p", "mistaken", "--maas-target", "kind", "--maas-set", "refuse=1"]


@pytest.mark.parametrize("console", [[], ["--maas-own-console", "stdout"]])
def test_a_mistake_leaves_the_reports_of_an_earlier_run_as_they_are(
    suite: Suite, mistake: list[str], console: list[str]
) -> None:
    suite.write("one", ONE)
    assert suite.run(*console).code == ExitCode.CONFORMANT
    before = files_of(suite.out)
    judged = suite.run(*mistake, *console)
    assert judged.code == ExitCode.USAGE, judged.output
    assert files_of(suite.out) == before
    assert suite.run(*console).code == ExitCode.CONFORMANT
    assert sum(isinstance(event, RunStarted) for event in suite.run(*console).events) == 1


def test_a_mistake_leaves_an_empty_folder_empty(suite: Suite, mistake: list[str]) -> None:
    suite.write("one", ONE)
    judged = suite.run(*mistake)
    assert (judged.code, files_of(suite.out)) == (ExitCode.USAGE, {})
    assert "the setting marker is a file, came a folder" in judged.output


def test_a_second_run_into_the_same_folder_is_refused_in_one_sentence(suite: Suite) -> None:
    suite.write("slow", SLOW)
    first = subprocess.Popen(
        suite.command("--maas-platform", str(suite.platform_file)),
        cwd=suite.folder,
        env=suite.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(suite.folder.glob("world-is-up-*")):
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = suite.run()
        assert second.code == pytest.ExitCode.USAGE_ERROR, second.output  # `maas-conformance run` ends with 2
        assert f"another run is writing into {suite.out}: wait for its end, or name another folder" in second.output
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)
    finally:
        first.kill()
    assert not [path for path in suite.out.iterdir() if "lock" in path.name or "aside" in path.name]


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line of the product."""
    return subprocess.run(
        [sys.executable, "-c", "from harness.cli import main; main()", *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-k", "no_such_check_anywhere"], "-k 'no_such_check_anywhere' matches no check"),
        (
            ["--set", "component.limiter=no.such.module"],
            "component.limiter names the module 'no.such.module', which does not exist",
        ),
        (["--set", "component.limitr=json"], "there is no component 'limitr' to replace; the components are kubeapi"),
    ],
)
def test_what_can_be_known_beforehand_is_said_before_anything_starts(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    done = command("run", *words, "--out", str(tmp_path / "out"), MAAS_CONFORMANCE_STATE=str(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, ""), done.stderr
    assert sentence in done.stderr
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize(
    ("expression", "chooses"),
    [
        ("test_three_times_the_budget", True),
        ("CANARY and not nothing", True),
        ("stopped_components.py", True),
        ("chat-stream-asked", True),
        ("no_such_check or no_such_other", False),
    ],
)
def test_an_expression_is_matched_as_the_run_will_match_it(expression: str, chooses: bool) -> None:
    assert matches(expression) is chooses


def test_an_out_folder_that_takes_no_files_is_one_sentence() -> None:
    done = command("run", "--out", "/proc/self/task")
    assert done.returncode == ExitCode.ENVIRONMENT
    assert done.stderr.startswith("maas-conformance: cannot write the out folder /proc/self/task: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_terminal_without_unicode_is_no_reason_to_end() -> None:
    done = command("explain", "MAAS-RATE-001", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stderr) == (ExitCode.CONFORMANT, "")
    assert "429" in done.stdout
