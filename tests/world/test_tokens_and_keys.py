"""How often a world asks for tokens and lists: each asks the platform for work that no check is about."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from harness.client.exchange import Exchange, Request
from harness.kube.janitor import left_behind
from harness.ledger.book import ClientBook
from harness.world.caller import Wire
from harness.world.estate import Estate
from harness.world.world import World
from tests.world.conftest import model
from tests.world.test_world import activate, enforce, when_applied


class Api:
    """Lists both models of the platform, mints every key, and notes what it was asked and with which token."""

    def __init__(self):
        self.asked = []

    def send(self, call, *, observer=None):
        path = call.url.removeprefix("http://127.0.0.1:1")
        self.asked.append((call.method, path, call.credential.reveal()))
        listed = {"object": "list", "data": [{"id": model(name).model_id} for name in ("open", "closed")]}
        minted = {"key": f"sk-oai-made-{len(self.asked)}", "id": str(len(self.asked))}
        status, body = (200, listed) if path == "/v1/models" else (201, minted)
        request = Request(call.method, call.url, {}, None)
        return Exchange("id", request, status, (), json.dumps(body).encode(), (), None, None, 0.0)

    def close(self):
        """As a client is closed."""

    def told(self):
        """What was asked since the last time, without the tokens."""
        asked, self.asked = self.asked, []
        return [f"{method} {path}" for method, path, _ in asked]


LISTED, MINTED = "GET /v1/models", "POST /maas-api/v1/api-keys"


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def sharing(estate, api):
    own = Estate(estate.platform, run_id="tokens")
    own.client = api
    yield own
    own.leave()
    assert left_behind(estate.cluster, run_id="tokens") == []


@pytest.fixture
def make_world(sharing, api, recorder):
    made = []

    def make():
        made.append(World(sharing, Wire(sharing.platform, api, recorder, ClientBook())))
        return made[-1]

    yield make
    for one in made:
        one.remove()


@contextmanager
def taking_force(world, subscription, policy):
    """The controllers at work on both."""

    def act():
        activate(world, subscription)
        enforce(world, subscription)

    with when_applied(world, subscription, act), when_applied(world, policy, lambda: activate(world, policy)):
        yield


def beside(shared):
    """The policy that belongs to a common subscription."""
    return replace(shared, ref=replace(shared.ref, kind="MaaSAuthPolicy"))


def test_what_one_member_saw_listed_no_other_one_waits_for(make_world, api):
    first, second = make_world(), make_world()
    shared = first.common()
    with taking_force(first, shared, beside(shared)):
        first.anybody().credential.secret()
    assert api.told() == [LISTED, MINTED]
    second.anybody().credential.secret()
    assert api.told() == [MINTED]


def test_keys_of_a_user_are_minted_with_one_token_until_more_is_granted(make_world, api):
    world = make_world()
    who, shared = world.member(), world.common()
    with taking_force(world, shared, beside(shared)):
        world.person(who).models()
    for _ in range(2):
        world.key(who, shared).secret()
    (token,) = {token for _, _, token in api.asked}
    assert api.told() == [LISTED, LISTED, MINTED, MINTED]  # the second list is what the check asked for
    more, policy = world.subscription(who, models=world.model(1)), world.policy(who, models=world.model(1))
    with taking_force(world, more, policy):
        world.key(who, more).secret()
    assert {asked for _, _, asked in api.asked}.isdisjoint({token})
    assert api.told() == [LISTED, MINTED]


def test_two_people_are_not_one(make_world, api):
    world = make_world()
    shared = world.common()
    with taking_force(world, shared, beside(shared)):
        for _ in range(2):
            world.key(world.member(), shared).secret()
    assert len({token for _, _, token in api.asked}) == 2


def test_each_limit_has_a_common_subscription_and_members_of_its_own(make_world):
    world = make_world()
    modest, ample = world.common(60), world.common()
    somebody, other = world.member(60), world.member()
    assert [[rate.limit for rate in made.rates] for made in (modest, ample)] == [[60], [1_000_000]]
    assert [made.owner.include(who) for made in (modest, ample) for who in (somebody, other)] == [
        True,
        False,
        False,
        True,
    ]
    assert modest.priority != ample.priority
    assert make_world().common(60) == modest


def test_a_subscription_that_was_declared_after_the_token_was_used_is_in_force_before_its_key_is_minted(
    make_world, api
):
    """To a model of the user's, so that no list and no other token would have been a reason to create it."""
    world = make_world()
    who, shared = world.member(), world.common()
    with taking_force(world, shared, beside(shared)):
        world.key(who, shared).secret()
    more = world.subscription(who)
    with when_applied(world, more, lambda: (activate(world, more), enforce(world, more))):
        world.key(who, more).secret()
    assert world.estate.cluster.get(more.ref)["status"]["phase"] == "Active"
    assert api.told() == [LISTED, MINTED, MINTED]
