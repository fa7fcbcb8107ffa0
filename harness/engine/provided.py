"""Fixtures that the engine itself gives to checks; registered only in sessions that judge a platform."""

from typing import Final

import pytest

from harness.engine.execution import Execution
from harness.engine.recorder import Recorder
from harness.platforms.platform import Platform

EXECUTION: Final = pytest.StashKey[Execution]()
RUN_ID: Final = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def platform(pytestconfig: pytest.Config) -> Platform:
    """The platform under test: frozen data, the same in every worker."""
    return pytestconfig.stash[EXECUTION].platform


@pytest.fixture(scope="session")
def run_id(pytestconfig: pytest.Config) -> str:
    """The run's id, 12 characters of a DNS label: what this run creates in a cluster carries it, so that it can be removed by it."""
    return pytestconfig.stash[RUN_ID]


@pytest.fixture
def recorder(request: pytest.FixtureRequest) -> Recorder:
    """Where this check writes its exchanges and measurements."""
    return request.config.stash[EXECUTION].recorder_of(request.node)
