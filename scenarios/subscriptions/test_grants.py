"""What is granted takes effect, also for somebody whom the platform has just refused."""

import pytest

from harness.engine.declaration import check
from harness.kube.manifest import Ref
from harness.world.expectations import expect_status
from harness.world.force import policy_in_force
from harness.world.governance import MAAS, People, Policy
from harness.world.identity import Identity
from harness.world.world import World

REFUSALS = 3
"""Enough that a platform which remembers decisions has remembered the refusal."""


def grant(world: World, who: Identity, what: str) -> None:
    """One of the two things that a call takes."""
    if what == "quota":
        world.subscription(who)
    else:
        world.policy(who)


@pytest.mark.parametrize("lacking", ["access", "quota"])
@check("MAAS-REV-007", needs={"kube"})
def test_a_grant_reaches_somebody_who_was_refused(world: World, lacking: str) -> None:
    who = world.identity()
    grant(world, who, "quota" if lacking == "access" else "access")
    person, other = world.person(who), world.anybody()
    for _ in range(REFUSALS):
        expect_status(person.infer(), 403, when=f"{lacking} is lacking")
        expect_status(other.infer(), 200, when=f"{lacking} is lacking to somebody else alone")
    grant(world, who, lacking)
    world.settle()
    served, seconds = world.until(person.infer, lambda answer: answer.status == 200)
    world.wire.recorder.characteristic(f"grant_of_{lacking}_to_served", seconds, "s")
    expect_status(served, 200, when=f"{lacking} was granted to somebody who had been refused")


@check("MAAS-CRD-027", needs={"kube"})
def test_a_subject_is_compared_to_the_letter_but_for_blanks_around_it(world: World) -> None:
    exact, blank, shouted, starred = (world.identity() for _ in range(4))
    names = (exact.username, f" {blank.username} ", shouted.username.upper(), f"{starred.username[:-1]}*")
    home = world.wire.platform.namespaces.subscriptions
    policy = Policy(Ref(MAAS, "MaaSAuthPolicy", f"{world.name}-spelt", home), People(users=names), (world.model(),))
    world.declare(policy.manifest(), until=policy_in_force(policy))
    people = (exact, blank, shouted, starred)
    subscription = world.subscription(people)
    allowed, trimmed, other_case, wildcard = (world.person(who, subscription) for who in people)
    served, _ = world.until(trimmed.infer, lambda answer: answer.status == 200)
    expect_status(served, 200, when="the policy names the user with blanks around the name")
    expect_status(allowed.infer(), 200, when="the policy names the user exactly")
    for caller, how in ((other_case, "in another case"), (wildcard, "by a star")):
        expect_status(caller.infer(), 403, when=f"the policy names the user {how}")
