"""The folder of the reports, around whatever ends a command."""

from pathlib import Path

import pytest

from harness.cli.out_folder import out_folder
from harness.outcome import EnvironmentFault, UsageFault


def ended(folder: Path, end: BaseException, written: str | None = None) -> None:
    """A command that ends like this, having written a file or none."""
    with out_folder(folder):
        assert folder.is_dir()
        if written:
            (folder / written).touch()
        raise end


@pytest.mark.parametrize("end", [UsageFault("wrong"), KeyboardInterrupt()])
def test_an_end_without_reports_leaves_no_new_folder(tmp_path: Path, end: BaseException) -> None:
    with pytest.raises(type(end)):
        ended(tmp_path / "new", end)
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_and_what_was_written_stays(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    with pytest.raises(UsageFault):
        ended(mine, UsageFault("wrong"))
    with pytest.raises(KeyboardInterrupt):
        ended(tmp_path / "new", KeyboardInterrupt(), "journal.ndjson")
    with out_folder(tmp_path / "done"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["done", "mine", "new"]


def test_a_folder_below_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentFault) as fault, out_folder(tmp_path / "file" / "below"):
        pass
    assert str(fault.value) == f"cannot write the out folder {tmp_path / 'file' / 'below'}: Not a directory"
