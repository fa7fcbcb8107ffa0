import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.platforms.lease import RUN_VARIABLE, STATE_HOME_VARIABLE, Lease
from harness.platforms.supervisor import Supervisor

COMPONENTS = Path(__file__).parent / "components"


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "state-home"
    monkeypatch.setenv(STATE_HOME_VARIABLE, str(home))
    return home


@pytest.fixture
def fake_components(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the packages below `components` runnable by name in child processes."""
    inherited = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(COMPONENTS), *([inherited] if inherited else [])]))
    return COMPONENTS


@pytest.fixture
def lease() -> Iterator[Lease]:
    opened = Lease.open()
    yield opened
    opened.release()


@pytest.fixture
def supervisor(lease: Lease, fake_components: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(lease)
    yield supervisor
    supervisor.stop()


def processes_of(run_id: str) -> list[psutil.Process]:
    """Every live process that carries the mark of this run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN_VARIABLE) == run_id and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
