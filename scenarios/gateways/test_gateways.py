"""Two gateways, kept apart; and what is routed where on the one that MaaS governs."""

from functools import partial

from harness.client.measuring import Call
from harness.client.official import Via
from harness.engine.declaration import check
from harness.kube.manifest import condition
from harness.platforms.platform import ModelHandle, Platform
from harness.world.books import Books
from harness.world.clients import EACH_CLIENT
from harness.world.expectations import expect, expect_equal, expect_served, expect_status, listed_ids, model_ids
from harness.world.force import model_ref
from harness.world.inference import Ask, Style
from harness.world.sandwich import Sandwich, arrivals
from harness.world.world import World

STYLES: tuple[Style, ...] = ("path", "body")


def at_standard_gateway(world: World, platform: Platform, model: ModelHandle) -> Call:
    """An inference call without any credential, at the gateway that MaaS does not govern."""
    gateway = platform.endpoints.standard_gateway
    assert gateway is not None
    return Call("POST", Ask().url(gateway, model), json=Ask().body(model))


@check("MAAS-GW-007", "MAAS-SETUP-004", needs={"kube", "models", "standard-gateway"})
def test_a_model_on_the_standard_gateway_needs_no_maas_credential(world: World, platform: Platform) -> None:
    twin = world.new_model(gateway="unnamed", registered=False)
    world.settle()
    call = at_standard_gateway(world, platform, twin.handle)
    exchange, _ = world.until(partial(world.wire.send, call), lambda answer: answer.status == 200)
    expect_status(exchange, 200, when="a model without a gateway reference is called at the standard gateway")


@check("MAAS-GW-007", "MAAS-SETUP-004", needs={"kube", "models", "standard-gateway"})
def test_a_model_on_the_standard_gateway_is_unknown_to_maas(world: World, sandwich: Sandwich) -> None:
    caller = world.anybody()
    twin = world.new_model(gateway="unnamed", registered=False)
    expect(
        twin.handle.model_id not in model_ids(caller.models()),
        expected=f"{twin.handle.model_id} is not listed",
        observed="it is",
    )
    refusal = caller.infer(model=twin.handle)
    expect(
        refusal.status in (403, 404),
        expected="403 or 404 at the MaaS gateway for a model that it does not route",
        observed=str(refusal.status),
        exchange=refusal,
        requirement="MAAS-GW-013",
    )


@check("MAAS-GW-007", "MAAS-STAT-007", needs={"kube", "models", "standard-gateway"})
def test_registering_a_model_of_the_standard_gateway_fails(world: World) -> None:
    who = world.identity()
    good = world.model()
    twin = world.new_model(gateway="unnamed", registered=True, governed=False)
    subscription = world.subscription(who, models=(good, twin.handle), awaited=False)
    world.policy(who, models=(good, twin.handle), awaited=False)
    world.settle()
    found = world.await_phase(model_ref(twin.handle), "Failed", "Ready")
    world.await_limit(subscription, good)
    for caller in (world.subscriber(who, subscription), world.person(who)):
        exchange, _ = world.until(caller.models, lambda answer: good.model_id in listed_ids(answer))
        shown = listed_ids(exchange)
        expect(good.model_id in shown, expected=f"{good.model_id} is listed", observed=repr(shown), exchange=exchange)
        expect(
            twin.handle.model_id not in shown,
            expected=f"{twin.handle.model_id} is not listed",
            observed=repr(sorted(shown)),
            exchange=exchange,
            requirement="MAAS-GW-007",
        )
    expect_equal(found["status"]["phase"], "Failed", of="the phase of a registered model of the standard gateway")
    ready = condition(found, "Ready") or {}
    expect_equal(
        (ready.get("status"), ready.get("reason")),
        ("False", "ReconcileFailed"),
        of="Ready",
        requirement="MAAS-STAT-007",
    )
    expect(
        "does not reference gateway" in str(ready.get("message")),
        expected="a Ready condition whose message says that the model does not reference the gateway",
        observed=repr(ready.get("message")),
        requirement="MAAS-STAT-007",
    )


@EACH_CLIENT
@check("MAAS-GW-004")
def test_path_style_inference(world: World, via: Via) -> None:
    caller = world.anybody().over(via)
    for ask in (Ask(), Ask(endpoint="completions")):
        expect_status(caller.infer(ask), 200, when=f"POST {ask.endpoint} goes to the model's path")


@EACH_CLIENT
@check("MAAS-GW-005")
def test_body_style_inference(world: World, via: Via) -> None:
    expect_status(world.anybody().over(via).infer(Ask(style="body")), 200, when="the body names the model")


@check("MAAS-GW-005", needs={"kube", "backends"})
def test_body_style_reaches_the_model_that_it_names(world: World, books: Books) -> None:
    models = (world.model(0), world.model(1))
    customer = world.customer(models=models)
    assert books.journals is not None
    assert books.mark is not None
    servers = []
    for model in models:
        by_path, by_body = (expect_served(customer.infer(Ask(style=style), model=model)) for style in STYLES)
        entries = books.journals.since(books.mark)
        where = [{entry.server for entry in arrivals(entries, exchange)} for exchange in (by_path, by_body)]
        expect_equal(where[1], where[0], of=f"model server of {model.model_id}", exchange=by_body)
        servers.append(where[0])
    expect(servers[0] != servers[1], expected="a server for each model", observed=repr(servers), exchange=by_body)


@EACH_CLIENT
@check("MAAS-GW-006")
def test_body_style_without_a_known_model_is_not_served(world: World, via: Via) -> None:
    caller = world.anybody().over(via)
    for model in ("publishers/llm/models/no-such-model", ""):
        expect_served(caller.infer(Ask(style="body")))
        exchange = caller.infer(Ask(style="body", changes={"model": model}))
        expect(
            exchange.status is not None and 400 <= exchange.status < 500,
            expected="a 4xx for a body without a known model",
            observed=str(exchange.status),
            exchange=exchange,
        )


@check("MAAS-GW-006")
def test_body_style_without_any_model_is_not_served(world: World) -> None:
    caller = world.anybody()
    expect_served(caller.infer(Ask(style="body")))
    exchange = caller.gateway("POST", "/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hi"}]})
    expect(
        exchange.status is not None and 400 <= exchange.status < 500,
        expected="a 4xx for a body without a model",
        observed=str(exchange.status),
        exchange=exchange,
    )


@EACH_CLIENT
@check("MAAS-GW-013")
def test_an_unknown_model_path_is_not_served(world: World, via: Via) -> None:
    caller = world.anybody().over(via)
    expect_served(caller.infer())
    nowhere = caller.model.model_copy(update={"path": f"/{caller.model.namespace}/no-such-model"})
    exchange = caller.infer(model=nowhere)
    expect(
        exchange.status in (401, 403, 404),
        expected="404, 403 or 401 for an unknown model path",
        observed=str(exchange.status),
        exchange=exchange,
    )


@check("MAAS-API-022")
def test_the_old_token_endpoint_is_gone(world: World) -> None:
    caller = world.anybody()
    expect_served(caller.models())
    exchange = caller.manage("POST", "/v1/tokens", json={})
    expect_status(exchange, 404, when="somebody authenticated mints a token the old way")


@check("MAAS-TOK-022", "MAAS-API-003")
def test_an_unknown_management_path_is_not_found(world: World) -> None:
    caller = world.anybody()
    for path, requirement in (("/v1/usage", "MAAS-TOK-022"), ("/v1/nope", "MAAS-API-003")):
        when = f"somebody authenticated asks for {path}"
        expect_status(caller.manage("GET", path), 404, when=when, requirement=requirement)


@check("MAAS-API-006")
def test_management_answers_carry_a_request_id(world: World) -> None:
    exchange = expect_served(world.anybody().manage("GET", "/v1/models"))
    expect(bool(exchange.header("X-Request-ID")), expected="X-Request-ID", observed="none", exchange=exchange)


@check("MAAS-API-008")
def test_management_answers_carry_no_cors_headers(world: World) -> None:
    exchange = expect_served(world.anybody().manage("GET", "/v1/models", headers={"Origin": "https://evil.example"}))
    expect_equal(
        exchange.header("Access-Control-Allow-Origin"), None, of="Access-Control-Allow-Origin", exchange=exchange
    )
