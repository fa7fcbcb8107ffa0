"""Records and folders of runs, for tests of what reads them."""

import shutil
from pathlib import Path

import pytest

from harness.engine.record import RunRecord
from tests.reporting.made_up_run import events
from tests.reporting.submissions import Runs


@pytest.fixture
def record() -> RunRecord:
    return RunRecord.of(events())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def good(runs: Runs, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs.folder / "good", tmp_path / "good"))


@pytest.fixture
def bad(runs: Runs, tmp_path: Path) -> Path:
    return Path(shutil.copytree(runs.folder / "bad", tmp_path / "bad"))
