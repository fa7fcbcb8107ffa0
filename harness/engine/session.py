"""A session that judges a platform, as pytest runs it: open, hand over, run, conclude."""

from typing import Any, Protocol

import pytest

from harness.engine.control import INPUT_KEY, Control
from harness.engine.execution import Execution, status_of
from harness.engine.interruption import Postponement
from harness.engine.provided import EXECUTION, RUN_ID
from harness.engine.selection import selection_of
from harness.outcome import Fault
from harness.platforms.platform import Platform
from harness.spec.catalogue import catalogue


class Summary(Protocol):
    """What the reports say at the end, for pytest's own terminal."""

    def summary_lines(self) -> list[str]:
        """Lines without markup; empty where our own console has said it already."""


class Session:
    """A pytest plugin of the process that a person started; `Control` keeps its state."""

    def __init__(self, control: Control, summary: Summary) -> None:
        self._control = control
        self._summary = summary
        self._postponement = Postponement()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Open the target before xdist starts its workers, who need it to collect."""
        try:
            platform = self._control.open()
        except Fault as fault:
            pytest.exit(str(fault), returncode=int(fault.code))
        if session.config.getoption("dist", "no") == "no":
            self._judge_here(session.config, platform)
        else:
            self._postponement.hold()  # xdist's own hook starts the workers next, and they inherit it

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """The workers have been started: an interruption from here on reaches `pytest_sessionfinish`, which ends them."""
        self._postponement.release()

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        """However starting the workers ended."""
        self._postponement.release()

    def _judge_here(self, config: pytest.Config, platform: Platform) -> None:
        control = self._control
        execution = Execution(control.journal.part, platform, catalogue(), control.settings.retries, None)
        config.stash[EXECUTION], config.stash[RUN_ID] = execution, control.run_id
        selection = selection_of(control.settings, platform, control.journal.part)
        config.pluginmanager.register(selection, "maas-selection")
        config.pluginmanager.register(execution, "maas-execution")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker which platform to judge."""
        node.workerinput[INPUT_KEY] = self._control.worker_input()

    @pytest.hookimpl
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Name the classes that pytest does not know, also for what workers report."""
        return status_of(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Workers have ended by now: close the target, write the reports, set the exit code."""
        self._control.conclude(session, exitstatus)

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Our summary below pytest's own."""
        lines = self._summary.summary_lines()
        if lines:
            terminalreporter.write_sep("=", "MaaS conformance")
        for line in lines:
            terminalreporter.write_line(line)
