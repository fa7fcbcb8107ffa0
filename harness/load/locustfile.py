"""What Locust loads: `maas-conformance load` starts it headless, and `locust -f` on this file gives Locust's web UI.

Environment: `MAAS_LOAD_PLAN` names the plan that `maas-conformance load` has written. Without it, `MAAS_PLATFORM` names
the platform file of a running platform and `MAAS_LOAD_PROFILE` a profile; users and keys are then made here, and removed
when Locust quits.
"""

import os
import secrets
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped]  # it ships no types
from locust import events

from harness.load.generator import Watch
from harness.load.plan import LoadPlan
from harness.load.sample import LoadResult
from harness.load.shopper import Shopper
from harness.outcome import ExitCode, Fault, UsageFault

_cleanup = ExitStack()
_watch = Watch()


class Customer(Shopper):
    """The users of the load."""

    host = "http://the-plan-says-where"


def _plan() -> LoadPlan:
    written = os.environ.get("MAAS_LOAD_PLAN")
    if written:
        return LoadPlan.load(Path(written))
    from harness.load.population import populated
    from harness.load.profile import read_profile
    from harness.load.profiles import profile_path
    from harness.platforms.platform import Platform
    from harness.world.estate import Estate

    named = os.environ.get("MAAS_PLATFORM")
    if not named:
        raise UsageFault("say which platform: MAAS_PLATFORM=FILE (as `maas-conformance up` writes it) locust -f …")
    profile = read_profile(profile_path(os.environ.get("MAAS_LOAD_PROFILE", "throughput")))
    estate = Estate(Platform.load(Path(named)), run_id=secrets.token_hex(6), worker="locust")
    _cleanup.callback(estate.leave)
    people = _cleanup.enter_context(populated(estate, profile.identities))
    return LoadPlan(
        profile=profile, gateway=estate.platform.endpoints.gateway, members=people.members, result=Path(os.devnull)
    )


@events.init.add_listener  # type: ignore[untyped-decorator]  # locust ships no types
def _on_init(environment: Any, **_: Any) -> None:
    try:
        Customer.plan = _plan()
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        raise SystemExit(fault.code) from fault
    Customer.samples = []
    environment.host = Customer.plan.gateway
    if "MAAS_LOAD_PLAN" in os.environ:
        gevent.spawn(_end_with, os.getppid())


def _end_with(parent: int) -> None:
    """A load whose judge was killed measures for nobody: stop driving the platform."""
    while os.getppid() == parent:
        gevent.sleep(0.5)
    os._exit(ExitCode.INVALID)


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def _on_start(environment: Any, **_: Any) -> None:
    Customer.samples.clear()
    Customer.born = 0
    Customer.begun_s = time.perf_counter()
    profile = Customer.plan.profile
    _watch.start(begin_s=profile.warmup_s, end_s=profile.warmup_s + profile.duration_s)


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def _on_quitting(environment: Any, **_: Any) -> None:
    plan = Customer.plan
    if str(plan.result) != os.devnull:
        LoadResult(_watch.report(plan.profile.users), tuple(Customer.samples)).save(plan.result)
    _cleanup.close()
