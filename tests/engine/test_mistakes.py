"""A person's mistake costs one sentence, and nothing of what lies in the out folder."""

import signal
from pathlib import Path

import pytest

from harness.engine.events import RunStarted
from harness.outcome import ExitCode
from tests.command_line import maas
from tests.engine.conftest import Suite
from tests.engine.made_up import SLOW, TARGET, options_of

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
    return [*options_of(suite, MISTAKEN), "--maas-set", "refuse=1"]


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
    with suite.begin() as first:
        first.until(lambda: list(suite.folder.glob("world-is-up-*")))
        second = suite.run()
        assert second.code == pytest.ExitCode.USAGE_ERROR, second.output  # `maas-conformance run` ends with 2
        assert f"another run is writing into {suite.out}: wait for its end, or name another folder" in second.output
        first.process.send_signal(signal.SIGINT)
        first.end()
    assert not [path for path in suite.out.iterdir() if "lock" in path.name or "aside" in path.name]


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
    done = maas("run", *words, "--out", "out", cwd=tmp_path, MAAS_CONFORMANCE_STATE=str(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, ""), done.stderr
    assert sentence in done.stderr
    assert files_of(tmp_path) == {}


def test_an_out_folder_that_takes_no_files_is_one_sentence(tmp_path: Path) -> None:
    done = maas("run", "--out", "/proc/self/task", cwd=tmp_path)
    assert done.returncode == ExitCode.ENVIRONMENT
    assert done.stderr.startswith("maas-conformance: cannot write the out folder /proc/self/task: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_terminal_without_unicode_is_no_reason_to_end(tmp_path: Path) -> None:
    done = maas("explain", "MAAS-RATE-001", cwd=tmp_path, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii:strict")
    assert (done.returncode, done.stderr) == (ExitCode.CONFORMANT, "")
    assert "429" in done.stdout
