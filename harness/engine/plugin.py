"""The pytest plugin: `pytest scenarios` and `maas-conformance run` judge a platform with it, and every other session stays as it was.

Loaded into each pytest session on the machine, it imports nothing but pytest until a session says that it judges a platform: by naming one
(`--maas-target`, `--maas-platform`, or their environment variables), or by a folder of checks (`pytest_maas_checks`).
"""

import os
from collections.abc import Generator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from harness.engine.options import add_options

if TYPE_CHECKING:
    from harness.engine.control import Control

PROVIDED: Final = ("harness.engine.provided", "harness.world.fixtures")
CONTROL: "Final[pytest.StashKey[Control]]" = pytest.StashKey()
"""The controller of a session that judges a platform; `maas-conformance run` reads its fault and its record."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare `--maas-*`."""
    add_options(parser.getgroup("maas-conformance", "judging a MaaS platform").addoption)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let folders of checks announce themselves."""
    from harness.engine import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    """Where our console speaks, send pytest's own output into a file: its reporter takes the standard streams of this moment."""
    if not config.getoption("maas_own_console") or config.option.collectonly or hasattr(config, "workerinput"):
        return (yield)
    from harness.engine.run_journal import pytest_log

    def began() -> bool:
        control = config.stash.get(CONTROL, None)
        return control is not None and control.began

    with pytest_log(config.getoption("maas_out"), began=began) as log, redirect_stdout(log), redirect_stderr(log):
        return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Decide whether this session judges a platform, and arrange it; other sessions learn of the marker alone."""
    config.addinivalue_line(
        "markers",
        "check(*requirements, needs, canary, alone): requirements that a check proves and what it needs of the platform",
    )
    if not _judges(config):
        return
    from harness.outcome import Fault

    try:
        if hasattr(config, "workerinput"):
            _configure_worker(config)
        else:
            _configure_controller(config)
    except Fault as fault:
        raise pytest.UsageError(str(fault)) from fault


def _judges(config: pytest.Config) -> bool:
    if hasattr(config, "workerinput"):
        return "maas" in config.workerinput
    named = any(config.getoption(name) or os.environ.get(name.upper()) for name in ("maas_target", "maas_platform"))
    return bool(named or config.hook.pytest_maas_checks(config=config))


def _configure_controller(config: pytest.Config) -> None:
    from harness.engine.selection import known_requirements, selection_of
    from harness.engine.settings import settings_of

    settings = settings_of(config)
    for module in PROVIDED:
        config.pluginmanager.import_plugin(module)
    if config.option.collectonly:
        config.pluginmanager.register(selection_of(settings, None, None), "maas-selection")
        return
    from harness.engine.control import Control
    from harness.engine.run_journal import RunJournal
    from harness.engine.session import Session
    from harness.engine.suite_digest import digest_of
    from harness.reporting.reports import reports_of
    from harness.spec.catalogue import catalogue
    from harness.spec.profile import profile_named

    profile = profile_named(settings.profile)
    selection_of(settings, None, None)  # a wrong area or an empty rerun is told before anything starts
    until_broken = known_requirements(catalogue(), settings.until_broken)
    reports = reports_of(settings, verbosity=config.get_verbosity())
    journal = RunJournal(settings.out, reports.consumers)
    control = Control(settings, catalogue(), profile, journal)
    control.suite_digest = digest_of((Path(argument.partition("::")[0]) for argument in config.args), config.rootpath)
    control.maxfail = int(config.getoption("maxfail") or 0)
    control.until_broken = until_broken
    config.stash[CONTROL] = control
    config.add_cleanup(control.close)
    config.pluginmanager.register(control, "maas-control")
    config.pluginmanager.register(control.mishaps, "maas-mishaps")
    config.pluginmanager.register(Session(control, reports), "maas-session")


def _configure_worker(config: pytest.Config) -> None:
    from harness.engine.interruption import leave_quietly

    leave_quietly()
    from harness.engine.alone import AloneChecks
    from harness.engine.execution import Execution
    from harness.engine.provided import EXECUTION, RUN_ID
    from harness.engine.selection import selection_of
    from harness.engine.settings import settings_of
    from harness.engine.worker import Worker, WorkerInput
    from harness.spec.catalogue import catalogue

    worker = config.workerinput  # type: ignore[attr-defined] # xdist puts it there
    given = WorkerInput.read(worker["maas"], worker["workerid"])
    settings = settings_of(config)
    for module in PROVIDED:
        config.pluginmanager.import_plugin(module)
    alone = AloneChecks(given.alone)
    execution = Execution(given.part, given.platform, catalogue(), settings.retries, given.gate, alone)
    config.stash[EXECUTION], config.stash[RUN_ID] = execution, given.run_id
    selection = selection_of(settings, given.platform, given.part if given.writes_plan else None)
    config.pluginmanager.register(selection, "maas-selection")
    config.pluginmanager.register(execution, "maas-execution")
    config.pluginmanager.register(alone, "maas-alone")
    config.pluginmanager.register(Worker(given), "maas-worker")
