"""The journal on disk: whole lines, order of time, and nothing lost but a torn last line."""

import threading
from pathlib import Path

import pytest

from harness.engine.events import AnyEvent, CheckStarted, StepTaken, decode, encode
from harness.engine.journal import JOURNAL, PARTS, JournalPart, JournalTail, discard, merge, read_journal
from harness.outcome import UsageFault
from tests.reporting.made_up_run import events


def _started(number: int, at: float) -> CheckStarted:
    return CheckStarted(at=at, check_id=f"check-{number}")


def test_every_kind_of_event_survives_the_disk() -> None:
    for event in events():
        assert decode(encode(event)) == event


def test_parts_are_merged_in_order_of_time_and_removed(tmp_path: Path) -> None:
    first, second = JournalPart(tmp_path, "gw0"), JournalPart(tmp_path, "gw1")
    for number in range(6):
        (first if number % 2 else second).write(_started(number, at=float(number)))
    merge(tmp_path)
    assert [event.at for event in read_journal(tmp_path)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert [path.name for path in tmp_path.iterdir()] == [JOURNAL]


def test_time_never_runs_backwards_within_a_part(tmp_path: Path) -> None:
    part = JournalPart(tmp_path, "main")
    part.write(_started(1, at=5.0))
    part.write(_started(2, at=3.0))
    assert [event.at for event in read_journal(tmp_path)] == [5.0, 5.0]


def test_threads_of_one_check_write_whole_lines_in_order(tmp_path: Path) -> None:
    part = JournalPart(tmp_path, "main")

    def write(number: int) -> None:
        for _ in range(50):
            part.write(_started(number, at=part.now()))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / PARTS / "main.ndjson").read_bytes().splitlines()
    times = [decode(line).at for line in lines]
    assert (len(times), times) == (200, sorted(times))


def test_a_tail_passes_each_line_on_once_and_only_when_it_is_whole(tmp_path: Path) -> None:
    part, tail = JournalPart(tmp_path, "gw0"), JournalTail(tmp_path)
    part.write(_started(1, at=1.0))
    assert [event.at for event in tail.drain()] == [1.0]
    line = encode(_started(2, at=2.0))
    with (tmp_path / PARTS / "gw0.ndjson").open("ab", buffering=0) as file:
        file.write(line[:10])
        assert list(tail.drain()) == []
        file.write(line[10:])
    assert [event.at for event in tail.drain()] == [2.0]
    assert list(tail.drain()) == []


def test_a_killed_run_can_be_read_from_its_parts_without_the_torn_line(tmp_path: Path) -> None:
    JournalPart(tmp_path, "gw0").write(_started(1, at=2.0))
    JournalPart(tmp_path, "main").write(StepTaken(at=1.0, text="opening"))
    with (tmp_path / PARTS / "gw0.ndjson").open("ab") as file:
        file.write(b'{"event":"check_sta')
    found: list[AnyEvent] = read_journal(tmp_path)
    assert [event.at for event in found] == [1.0, 2.0]


def test_discarding_removes_the_journal_and_nothing_else(tmp_path: Path) -> None:
    JournalPart(tmp_path, "main").write(_started(1, at=1.0))
    (tmp_path / JOURNAL).write_bytes(b"")
    (tmp_path / "notes.md").write_text("mine", encoding="utf-8")
    discard(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.md"]


@pytest.mark.parametrize(
    "line", [b'{"event":"unheard_of","at":1}\n', b"nonsense\n", b'{"event":"step","at":1,"text":"x","more":1}\n']
)
def test_a_line_of_another_version_is_named_by_file_and_number(tmp_path: Path, line: bytes) -> None:
    (tmp_path / JOURNAL).write_bytes(encode(_started(1, at=1.0)) + line)
    with pytest.raises(UsageFault, match=r"journal\.ndjson:2 is not an event of this version"):
        read_journal(tmp_path)
