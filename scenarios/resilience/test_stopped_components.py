"""Components that are down: nobody is served who may not be, whoever may is served as promised, and all is as before when they are back."""

from contextlib import ExitStack
from typing import Final

from harness.client.measuring import Call
from harness.engine.declaration import check
from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref
from harness.platforms.platform import Need, Platform
from harness.world.calling import Calling
from harness.world.components import Components
from harness.world.crowd import (
    ANSWERED,
    ENTITLED,
    FEW,
    SPENT,
    STRANGER,
    Crowd,
    expect_all_refused,
    expect_never_served,
)
from harness.world.expectations import expect, expect_equal, expect_served, expect_status, fail
from harness.world.inference import Ask
from harness.world.lent import MODEST, spendable
from harness.world.quota import spend
from harness.world.twin import registration
from harness.world.world import World

NEEDS: Final[tuple[Need, ...]] = ("kube", "components", "disposable")
FORGED: Final = {"X-MaaS-Username": "somebody", "X-MaaS-Group": '["system:authenticated"]'}
"""What the authorizer would tell the management API. A gateway that goes on without it would let a stranger say so."""
NO_WEBHOOK: Final = 'failed calling webhook "v{kind}.maas.opendatahub.io"'
"""The API server's words for a webhook that it cannot reach. The reason follows in words that depend on how the cluster routes Services:
`no endpoints available for service …` where API servers look at endpoints themselves, a refused connection elsewhere."""


@check("MAAS-AUTH-068", needs=NEEDS, alone=True)
def test_without_the_authorizer_nobody_is_served(world: World, components: Components) -> None:
    components.expect_absence("authorizer")
    crowd = Crowd(world)
    with crowd.calling() as traffic:
        with components.without("authorizer"):
            for exchanges in traffic.gather(FEW, ANSWERED).values():
                expect_all_refused(exchanges, when="nobody can tell who calls")
            named = [crowd.stranger.manage("GET", path, headers=FORGED) for path in ("/v1/models", "/v1/subscriptions")]
            expect_all_refused(
                named, when="nobody can tell who calls, and a stranger says so in the authorizer's own headers"
            )
        crowd.expect_recovery(traffic, "authorizer")
    expect_never_served(traffic, STRANGER, SPENT)
    expect_status(crowd.spent.infer(), 429, when="the budget was spent before the outage")


@check("MAAS-AUTH-068", needs=NEEDS, alone=True)
def test_while_the_authorizer_keeps_silent_nobody_is_served(world: World, components: Components) -> None:
    """It accepts connections and answers nothing, which costs each caller the gateway's patience: so one answer of each must do."""
    crowd = Crowd(world)
    with ExitStack() as silence:
        silence.enter_context(components.without("authorizer", by="pause"))
        with crowd.calling() as traffic:
            for exchanges in traffic.first(1, ANSWERED).values():
                expect_all_refused(exchanges, when="the authorizer does not answer")
            silence.close()
            crowd.expect_recovery(traffic, "silent-authorizer")
    expect_never_served(traffic, STRANGER, SPENT)


@check("MAAS-RATE-023", "MAAS-RATE-022", needs=NEEDS, alone=True)
def test_without_the_limiter_nobody_is_served_and_afterwards_limits_hold(world: World, components: Components) -> None:
    components.expect_absence("limiter")
    saver = spendable(world).caller
    crowd = Crowd(world)
    spend(saver.infer, limit=MODEST)
    with crowd.calling() as traffic:
        with components.without("limiter"):
            down = traffic.gather(FEW, ANSWERED)
            for name in (ENTITLED, SPENT):
                expect_all_refused(down[name], when="nobody can tell what is left", requirement="MAAS-RATE-023")
        crowd.expect_recovery(traffic, "limiter")
    expect_never_served(traffic, STRANGER, requirement="MAAS-RATE-023")
    first = saver.infer()
    kept = first.status == 429
    world.wire.recorder.characteristic("spent_budgets_kept_by_a_limiter_started_again", float(kept), "of 1")
    if not kept:  # counters in memory: the whole budget is there again, and not a token more
        answers = iter([first])
        spend(lambda: next(answers, None) or saver.infer(), limit=MODEST, requirement="MAAS-RATE-022")


@check("MAAS-RATE-023", needs=NEEDS, alone=True)
def test_while_the_limiter_keeps_silent_nobody_is_served(world: World, components: Components) -> None:
    """It accepts connections and answers nothing: no answer in time is no consent either."""
    crowd = Crowd(world)
    with ExitStack() as silence:
        silence.enter_context(components.without("limiter", by="pause"))
        with crowd.calling() as traffic:
            answers = traffic.first(1, ANSWERED)
            for name in (ENTITLED, SPENT):
                expect_all_refused(answers[name], when="the limiter does not answer", requirement="MAAS-RATE-023")
            silence.close()
            crowd.expect_recovery(traffic, "silent-limiter")
    expect_never_served(traffic, STRANGER, SPENT, requirement="MAAS-RATE-023")


@check("MAAS-AUTH-068", needs=NEEDS, alone=True)
def test_without_maas_api_nobody_is_served_and_no_key_is_lost(world: World, components: Components) -> None:
    components.expect_absence("maas-api", by="stop")
    crowd, unused = Crowd(world), world.anybody()
    who, subscription = world.member(), world.common()
    key, person = world.key(who, subscription), world.person(who)
    revoked = world.caller(key)
    expect_served(revoked.infer())
    expect_status(person.manage("DELETE", f"/v1/api-keys/{key.id}"), 200, when="a key is revoked")
    unused.credential.secret()
    with crowd.calling() as traffic:
        with components.without("maas-api", by="stop"):
            expect_all_refused([unused.infer()], when="nobody can tell whether the key is valid")
            world.until(crowd.entitled.infer, lambda answer: answer.status != 200)
            for exchanges in traffic.gather(FEW, ANSWERED).values():
                expect_all_refused(exchanges, when="nothing that maas-api said may be repeated any more")
        crowd.expect_recovery(traffic, "maas-api")
    expect_never_served(traffic, STRANGER, SPENT)
    expect_served(unused.infer(), when="the key was minted before the outage")
    expect_status(revoked.infer(), 403, when="the key was revoked before the outage")


@check("MAAS-WH-007", needs=NEEDS, alone=True)
def test_without_the_controller_writes_are_refused_and_inference_goes_on(world: World, components: Components) -> None:
    components.expect_absence("maas-controller", by="stop")
    crowd = Crowd(world)
    late = world.identity()
    with crowd.calling() as traffic:
        with components.without("maas-controller", by="stop"):
            subscription = world.subscription(late, awaited=False)
            policy = world.policy(late, awaited=False)
            model = registration(world.ghost())
            tenant = world.tenant(opened=False).manifest()
            for manifest in (subscription.manifest(), policy.manifest(), model, tenant):
                expect_no_webhook(world, manifest)
            for exchange in traffic.gather(FEW, ANSWERED)[ENTITLED]:
                expect_served(exchange, when="the controller is down")
        crowd.expect_recovery(traffic, "maas-controller")
    expect_never_served(traffic, STRANGER, SPENT)
    world.await_in_force(subscription, policy)
    expect_served(world.subscriber(late, subscription).infer(), when="the controller is back")


def expect_no_webhook(world: World, manifest: Manifest) -> None:
    """The API server refuses the object, because nobody can say whether it is admissible."""
    words = NO_WEBHOOK.format(kind=str(manifest["kind"]).lower())
    try:
        world.estate.cluster.create(manifest, dry_run=True)
    except Rejected as refused:
        expect(words in str(refused), expected=words, observed=str(refused))
    else:
        fail(f"{Ref.of(manifest)} is refused while its webhook is down", "it was admitted")


@check("MAAS-AUTH-068", needs=NEEDS, alone=True)
def test_without_the_kubernetes_api_no_token_is_believed_and_no_object_is_lost(
    world: World, components: Components
) -> None:
    components.expect_absence("kubeapi")
    late = world.identity()
    subscription = world.subscription(late)
    world.policy(late)
    crowd = Crowd(world)
    newcomer = world.caller(world.token(late), identity=late, subscription=subscription)
    before = {
        ref: uid_of(world, ref) for ref in (subscription.ref, Ref("v1", "Namespace", late.account.namespace or ""))
    }
    with crowd.calling() as traffic:
        with components.without("kubeapi"):
            traffic.gather(FEW, ANSWERED)
            expect_all_refused([newcomer.infer()], when="nobody can tell whether the token is good")
        crowd.expect_recovery(traffic, "kubeapi")
    expect_never_served(traffic, STRANGER, SPENT)
    after = {ref: uid_of(world, ref) for ref in before}
    expect_equal(after, before, of="uids of objects that were acknowledged before the outage")
    expect_served(newcomer.infer(), when="the Kubernetes API is back")


def uid_of(world: World, ref: Ref) -> str | None:
    """The uid of an object; None when it is gone."""
    found = world.estate.cluster.get(ref)
    return None if found is None else str(found["metadata"]["uid"])


@check("MAAS-AUTH-068", needs=NEEDS, alone=True)
def test_a_gateway_that_starts_without_its_authorizer_serves_nobody(world: World, components: Components) -> None:
    components.expect_absence("gateway", "authorizer")
    crowd = Crowd(world)
    with crowd.calling() as traffic:
        with components.without("authorizer"):
            components.restart("gateway")
            for exchanges in traffic.gather(FEW, ANSWERED).values():
                expect_all_refused(exchanges, when="the gateway has been started and its authorizer has not")
        crowd.expect_recovery(traffic, "gateway")
    expect_never_served(traffic, STRANGER, SPENT)
    expect_status(crowd.spent.infer(), 429, when="the budget was spent before the gateway was started again")


@check("MAAS-SETUP-006", needs=(*NEEDS, "standard-gateway", "models"), alone=True)
def test_the_standard_gateway_answers_while_the_services_of_maas_are_down(
    world: World, platform: Platform, components: Components
) -> None:
    components.expect_absence("authorizer", "limiter")
    twin = world.new_model(gateway="unnamed", registered=False)
    crowd = Crowd(world)
    assert platform.endpoints.standard_gateway is not None
    call = Call("POST", Ask().url(platform.endpoints.standard_gateway, twin.handle), json=Ask().body(twin.handle))
    world.until(lambda: world.wire.send(call), lambda answer: answer.status == 200)
    name = "the standard gateway"
    with Calling({name: lambda: world.wire.send(call)}) as traffic:
        usual = max(exchange.duration_s for exchange in traffic.gather(FEW, ANSWERED)[name])
        with components.without("authorizer", "limiter"):
            expect_all_refused([crowd.entitled.infer()], when="the services of its policies are down")
            down = traffic.gather(FEW, ANSWERED)[name]
    for exchange in traffic.of(name):
        expect_served(exchange, when="MaaS has trouble")
    slowest = max(exchange.duration_s for exchange in down)
    world.wire.recorder.characteristic("standard_gateway_latency_while_maas_is_down", slowest - usual, "s added")
    with crowd.calling() as traffic:
        crowd.expect_recovery(traffic, "the-services-of-maas")


@check("MAAS-CTRL-007", needs=(*NEEDS, "models"), alone=True)
def test_a_model_declared_while_kserve_is_down_serves_once_it_is_back(world: World, components: Components) -> None:
    components.expect_absence("kserve")
    crowd = Crowd(world)
    twin = world.new_model()
    customer = world.customer(models=twin.handle)
    with crowd.calling() as traffic:
        with components.without("kserve"):
            for manifest in twin.manifests:
                world.estate.cluster.apply(manifest)
            for exchange in traffic.gather(FEW, ANSWERED)[ENTITLED]:
                expect_served(exchange, when="KServe is down and the model was there before")
        expect_served(customer.infer(), when="KServe is back and has made the model")
    expect_never_served(traffic, STRANGER, SPENT)
