"""Why limits that look on may enforce nothing: the commonest serious fault of this kind of platform, told in one sentence."""

from collections.abc import Sequence

from harness.client.exchange import Exchange
from harness.kube.manifest import condition
from harness.ledger.counters import CALLS, HITS
from harness.platforms.platform import ModelHandle
from harness.world.estate import Estate
from harness.world.force import limit_policy_ref
from harness.world.governance import Subscription


def why_nothing_is_refused(
    estate: Estate, subscription: Subscription, model: ModelHandle, answers: Sequence[Exchange]
) -> str:
    """Every cause that can be seen from here, joined; says so when there is none."""
    seen = [
        *_of_responses(answers),
        *_of_policy(estate, subscription, model),
        *_of_counters(estate, subscription, answers),
    ]
    return "; ".join(seen) or "no cause is visible in responses, policy status or counters: look at the limiter's log"


def _of_responses(answers: Sequence[Exchange]) -> list[str]:
    silent = sum(answer.usage is None for answer in answers)
    return [f"{silent} of {len(answers)} responses carry no usage, so nothing can be charged"] if silent else []


def _of_policy(estate: Estate, subscription: Subscription, model: ModelHandle) -> list[str]:
    if not estate.has_limit_policies:
        return []
    ref = limit_policy_ref(model)
    policy = estate.cluster.get(ref)
    if policy is None:
        return [f"there is no {ref}"]
    limits = (policy.get("spec") or {}).get("limits") or {}
    found = [] if any(subscription.name in key for key in limits) else [f"{ref} has no limit for {subscription.name}"]
    enforced = condition(policy, "Enforced") or {}
    if enforced.get("status") != "True":
        reason = enforced.get("reason", "no Enforced condition")
        found.append(f"{ref} is not enforced: {reason}: {enforced.get('message', '')}")
    return found


def _of_counters(estate: Estate, subscription: Subscription, answers: Sequence[Exchange]) -> list[str]:
    if estate.counters is None:
        return []
    reading = estate.counters.read()
    hits, calls = reading.total(HITS, subscription.name), reading.total(CALLS, subscription.name)
    if calls is None:
        return ["the limiter was never asked: the limit's predicate does not match, or fails to evaluate"]
    if hits is None:
        return [f"the limiter was asked {calls} times and charged nothing: the report never arrives"]
    spent = sum(answer.usage.total_tokens for answer in answers if answer.usage)
    if hits != spent:
        return [f"{hits} tokens were charged where the responses state {spent}"]
    return [f"{hits} tokens were charged, as the responses state, and the check allowed all of it"]
