"""What a self-test tells: plain lines where nobody watches, and at the end a table in which nothing is lost."""

import io

import pytest
from rich.console import Console

from harness.outcome import ExitCode
from harness.selftest.case import broken, controls, weaknesses
from harness.selftest.gallery import Defect
from harness.selftest.progress import Progress, outcome, reason, table_of
from harness.selftest.trial import Finding, Judgement, Trial

DEFECT = Defect("made-up", "limiter", "a limit [is] none", ("MAAS-RATE-001",))
NOTICED = Judgement(ExitCode.NOT_CONFORMANT, (Finding("MAAS-RATE-001", "s/t.py::test_it[whole]", "platform"),))
ELSEWHERE = Judgement(ExitCode.NOT_CONFORMANT, (Finding("MAAS-RATE-002", "s/t.py::test_it", "platform"),))


@pytest.mark.parametrize(
    ("trial", "word", "sentence"),
    [
        (Trial(broken(DEFECT), 2, NOTICED), "noticed", "MAAS-RATE-001 by test_it[whole]"),
        (
            Trial(broken(DEFECT), 2, ELSEWHERE),
            "NOT NOTICED",
            "not reported: MAAS-RATE-001; found instead: MAAS-RATE-002",
        ),
        (Trial(broken(DEFECT), 2, fault="no Envoy"), "NO VERDICT", "no Envoy"),
        (Trial(controls([DEFECT])[0], 2, Judgement(ExitCode.CONFORMANT, ())), "conformant", "nothing found broken"),
        (
            Trial(controls([DEFECT])[0], 2, NOTICED),
            "NOT CONFORMANT",
            "reported, though the platform keeps it: MAAS-RATE-001",
        ),
    ],
)
def test_each_outcome_has_its_word_and_its_reason(trial: Trial, word: str, sentence: str) -> None:
    assert (outcome(trial), reason(trial)) == (word, sentence)


def test_a_missing_weakness_is_named() -> None:
    trial = Trial(weaknesses(), 2, Judgement(ExitCode.NOT_CONFORMANT, ()))
    assert outcome(trial) == "NOT EXACT"
    assert reason(trial) == f"not reported: {', '.join(sorted(trial.case.must))}"


def test_a_file_gets_a_plain_line_for_each_and_no_drawing() -> None:
    file = io.StringIO()
    progress = Progress(Console(file=file, width=200), total=12)
    with progress.shown():
        progress.began(broken(DEFECT))
        progress.ended(Trial(broken(DEFECT), 2.25, NOTICED))
    assert file.getvalue() == " 1 of 12  noticed        made-up  2.2 s  MAAS-RATE-001 by test_it[whole]\n"


def test_a_terminal_shows_what_runs() -> None:
    file = io.StringIO()
    console = Console(file=file, width=200, force_terminal=True)
    progress = Progress(console, total=12)
    progress.began(broken(DEFECT))
    with progress.shown():
        console.print(progress)
    assert "made-up" in file.getvalue()
    assert "0 of 12" in file.getvalue()


def test_the_table_keeps_every_bracket() -> None:
    file = io.StringIO()
    Console(file=file, width=200).print(table_of([Trial(broken(DEFECT), 2.25, NOTICED)]))
    assert "a limit [is] none" in file.getvalue()
    assert "MAAS-RATE-001 by test_it[whole]" in file.getvalue()
