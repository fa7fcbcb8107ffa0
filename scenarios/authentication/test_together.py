"""Many callers at one moment: the gateway decides on each of them, and loses patience with none."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from harness.client.exchange import Exchange
from harness.engine.declaration import check
from harness.world.expectations import describe, expect, expect_served
from harness.world.inference import Ask
from harness.world.world import World

TOGETHER: Final = 50
ASK: Final = Ask(max_tokens=1)


@check("MAAS-AUTH-071", needs={"kube"})
def test_fifty_calls_at_once_are_all_decided_on(world: World) -> None:
    """Half of them with a key that the gateway has never seen, so that no cache answers for it."""
    who, subscription = world.member(), world.common()
    known = world.subscriber(who, subscription)
    expect_served(known.infer(ASK))
    unknown = [world.subscriber(who, subscription) for _ in range(TOGETHER // 2)]
    for caller in unknown:
        caller.credential.secret()

    def infer(number: int) -> Exchange:
        return (unknown[number // 2] if number % 2 else known).infer(ASK)

    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(infer, range(TOGETHER)))
    failed = [answer for answer in answers if answer.status != 200]
    expect(
        not failed,
        expected=f"200 for each of {TOGETHER} calls at once",
        observed=f"{len(failed)} others, the first {describe(failed[0]) if failed else ''}",
        exchange=failed[0] if failed else answers[0],
    )
