"""Driving a load: people in, Locust as a process of its own, people out, books balanced."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from harness.client.measuring import Call
from harness.ledger.reconciliation import Entry, Finding
from harness.load.ledger import LoadBooks
from harness.load.plan import LoadPlan
from harness.load.population import populated
from harness.load.profile import Profile
from harness.load.sample import LoadResult
from harness.load.verdict import LoadVerdict, judge, measure
from harness.outcome import InvalidRun
from harness.world.estate import Estate

LOCUSTFILE: Final = Path(__file__).parent / "locustfile.py"
_TAIL_S: Final = 1.0
"""Locust's own clock starts before its users do; the measured time must not end without them."""
_STOP_S: Final = 20
_START_S: Final = 30


class Driven(msgspec.Struct, frozen=True):
    """A load that was driven, complete."""

    profile: Profile
    verdict: LoadVerdict
    entries: tuple[Entry, ...]
    findings: tuple[Finding, ...]
    books_read: bool


def drive(estate: Estate, profile: Profile, out: Path, progress: Callable[[str], None]) -> Driven:
    """Drive the profile against the estate's platform and judge it; Locust's own reports go to `out`.

    Raises EnvironmentFault when the platform does not take the users, InvalidRun when generator or target died.
    """
    with TemporaryDirectory(prefix="maas-load-") as private, populated(estate, profile.identities) as people:
        progress(f"{len(people.members)} users have keys")
        books = LoadBooks.open(estate)
        plan = LoadPlan(
            profile=profile,
            gateway=estate.platform.endpoints.gateway,
            members=people.members,
            result=Path(private) / "result.json",
        )
        plan.save(Path(private) / "plan.json")
        progress(f"{profile.rate:g} requests a second for {profile.warmup_s + profile.duration_s:g} s")
        _locust(plan, Path(private) / "plan.json", out)
        result = _result(plan.result)
        _expect_alive(estate)
        progress("balancing the books")
        entries, findings = books.balance(people.members, result.samples)
    verdict = judge(profile, measure(profile, result))
    return Driven(profile, verdict, tuple(entries), findings, bool(entries))


def _locust(plan: LoadPlan, file: Path, out: Path) -> None:
    profile = plan.profile
    length = profile.warmup_s + profile.duration_s + _TAIL_S
    command = [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", "--skip-log-setup"),
        *("--users", str(profile.users), "--spawn-rate", "100", "--run-time", f"{length:g}s"),
        *(
            "--stop-timeout",
            str(_STOP_S),
            "--exit-code-on-error",
            "0",
            "--csv",
            str(out / "locust"),
            "--host",
            plan.gateway,
        ),
    ]
    environment = {**os.environ, "MAAS_LOAD_PLAN": str(file)}
    with (out / "locust.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            process.wait(length + _STOP_S + _START_S)
        except subprocess.TimeoutExpired as error:
            raise InvalidRun(f"the load generator did not end in time; see {out / 'locust.log'}") from error
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Also when this process is interrupted: no generator outlives its run."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _result(path: Path) -> LoadResult:
    try:
        return LoadResult.load(path)
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidRun(
            f"the load generator ended without a result ({type(error).__name__}); see locust.log"
        ) from error


def _expect_alive(estate: Estate) -> None:
    answer = estate.client.send(Call("GET", f"{estate.platform.endpoints.management}/health"))
    if answer.status is None:
        raise InvalidRun(f"the platform does not answer after the load ({answer.error}), so nothing can be concluded")
