"""What a check may ask for: a world of its own, the clock, the sandwich, the books. Registered by the plugin."""

import os
from collections.abc import Iterator

import pytest

from harness.engine.declaration import declaration_of
from harness.engine.recorder import Recorder
from harness.kube.wait import Bound
from harness.ledger.book import ClientBook
from harness.platforms.platform import Platform
from harness.world.books import Books
from harness.world.caller import Caller, Wire
from harness.world.clock import Clock
from harness.world.components import Components, components_of
from harness.world.detection import Admissions
from harness.world.estate import Estate
from harness.world.providers import Providers
from harness.world.quota import judge_by
from harness.world.sandwich import Sandwich
from harness.world.world import World


@pytest.fixture(scope="session")
def estate(platform: Platform, run_id: str, request: pytest.FixtureRequest) -> Iterator[Estate]:
    """Connections and labels of this worker; at its end the namespace of its identities goes."""
    made = Estate(
        platform,
        run_id=run_id,
        worker=os.environ.get("PYTEST_XDIST_WORKER", "main"),
        keep=bool(request.config.getoption("maas_keep", default=False)),
    )
    admissions = Admissions(made)
    judge_by(lambda: admissions.model)
    yield made
    made.leave()


@pytest.fixture
def wire(platform: Platform, estate: Estate, recorder: Recorder) -> Wire:
    """The way from this check to the platform."""
    return Wire(platform, estate.client, recorder, ClientBook(), estate.official)


@pytest.fixture
def world(estate: Estate, wire: Wire) -> Iterator[World]:
    """Identities, subscriptions, policies, models and keys of this check alone."""
    made = World(estate, wire)
    yield made
    if estate.platform.kubeconfig is not None:
        made.remove()


@pytest.fixture
def providers(world: World) -> Providers:
    """External models of this check, each with a provider of its own."""
    return Providers(world)


@pytest.fixture
def stranger(world: World) -> Caller:
    """Somebody without any credential."""
    return world.caller(None)


@pytest.fixture
def clock(platform: Platform) -> Clock:
    """Lets windows of a subscription pass."""
    return Clock(platform)


@pytest.fixture
def components(estate: Estate, request: pytest.FixtureRequest) -> Iterator[Components]:
    """The components of the platform, to be taken away by a check that runs alone; all run again at its end."""
    declared = declaration_of(request.node)
    if declared is not None and not declared.alone:
        raise ValueError(f"{declared.check_id} stops components and would disturb others: declare it with alone=True")
    made = components_of(estate)
    yield made
    made.restore()


@pytest.fixture
def sandwich(world: World) -> Sandwich:
    """Proves denials: allowed, denied, allowed; and no model server saw the denied call."""
    return Sandwich(world.journals)


@pytest.fixture
def books(platform: Platform, estate: Estate, wire: Wire) -> Books:
    """The three books from this moment on."""
    journals = estate.platform_journals
    return Books(
        client=wire.book,
        journals=journals,
        mark=journals.mark() if journals else None,
        platform=estate.counters,
        metrics_bound=Bound("metrics_bound_s", platform.parameters.metrics_bound_s),
    )
