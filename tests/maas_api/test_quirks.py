"""Each quirk changes the answer that it names, and no other."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.simulator.maas_api.quirks import UPSTREAM, Quirk, parse

from .instance import Instance

KEY = "Bearer sk-oai-a_b"


def _listing(maas: Instance) -> Any:
    maas.model("seen")
    maas.model("hidden")
    maas.subscription("s", ["seen", "hidden"], users=("carol",))
    maas.policy("p", ["seen"], users=("carol",))
    body = maas.caller("carol").get("/v1/models", headers={"X-MaaS-Subscription": "s"}).json()
    return [item["owned_by"] for item in body["data"]]


def _failed(maas: Instance) -> Any:
    maas.subscription("failed", ["m"], users=("erin",), phase="Failed")
    return (
        maas.caller("erin")
        .get("/v1/models", headers={"X-MaaS-Subscription": "failed", "Authorization": KEY})
        .status_code
    )


def _internal(maas: Instance) -> Any:
    return maas.caller("eve").post("/internal/v1/subscriptions/select", json={"username": "x"}).status_code


def _path(maas: Instance) -> Any:
    maas.model("b", "paths", backend="x")
    maas.subscription("paths", ["paths/b"], users=("paul",))
    return [
        maas.select(username="paul", groups=["g"], requestedModel=f"paths/{name}").get("resolvedModel") for name in "bx"
    ]


def _alias(maas: Instance) -> Any:
    maas.model("shared", "new", alias="shared", created="2026-08-21T10:00:00Z")
    maas.model("shared", "old", alias="shared", created="2026-08-20T10:00:00Z")
    maas.subscription("aliases", ["new/shared"], users=("vic",))
    return maas.select(username="vic", groups=["g"], requestedModel="shared").get("resolvedModel")


def _minted_by_key(maas: Instance) -> Any:
    maas.subscription("mints", ["m"], users=("mike",))
    minter = maas.mint(maas.caller("mike"), expiresIn="10m")
    minted = maas.mint(maas.caller("mike", Authorization=f"Bearer {minter['key']}"))
    return minted["expiresAt"] == minter["expiresAt"]


def _default(maas: Instance) -> Any:
    maas.subscription("broken", ["m"], users=("dora",), phase="Failed", priority=5)
    maas.subscription("works", ["m"], users=("dora",))
    return maas.mint(maas.caller("dora"))["subscription"]


def _group(maas: Instance) -> Any:
    maas.subscription("groups", ["m"], users=("gina",))
    return maas.caller("gina", "/team").post("/v1/api-keys", json={"name": "a"}).status_code


def _expired(maas: Instance) -> Any:
    maas.subscription("expires", ["m"], users=("exeter",))
    key = maas.mint(maas.caller("exeter"), expiresIn="1ns")
    return maas.caller("exeter").delete(f"/v1/api-keys/{key['id']}").status_code


def _offset(maas: Instance) -> Any:
    return maas.caller("otto").post("/v1/api-keys/search", json={"pagination": {"offset": 0}}).status_code


ANSWERS: dict[Quirk, tuple[Callable[[Instance], Any], Any, Any]] = {
    Quirk.LISTING_IGNORES_POLICIES: (_listing, ["llm/seen"], ["llm/hidden", "llm/seen"]),
    Quirk.FAILED_SUBSCRIPTION_IS_500: (_failed, 403, 500),
    Quirk.INTERNAL_BEHIND_GATEWAY: (_internal, 404, 200),
    Quirk.PATH_NAMES_MODEL: (_path, [None, "paths/b"], ["paths/b", None]),
    Quirk.FIRST_ALIAS_WINS: (_alias, "new/shared", None),
    Quirk.KEYS_OUTLIVE_KEYS: (_minted_by_key, True, False),
    Quirk.UNUSABLE_DEFAULT_SUBSCRIPTION: (_default, "works", "broken"),
    Quirk.UNSTORABLE_GROUP_IS_500: (_group, 400, 500),
    Quirk.EXPIRED_KEYS_ARE_REVOCABLE: (_expired, 404, 200),
    Quirk.OFFSET_NEEDS_LIMIT: (_offset, 200, 400),
}


def _answers(maas: Instance) -> dict[Quirk, Any]:
    return {quirk: ask(maas) for quirk, (ask, _, _) in ANSWERS.items()}


def _expected(quirks: frozenset[Quirk]) -> dict[Quirk, Any]:
    return {quirk: worse if quirk in quirks else better for quirk, (_, better, worse) in ANSWERS.items()}


@pytest.mark.parametrize(
    "quirks",
    [frozenset(), UPSTREAM, *(frozenset({quirk}) for quirk in Quirk)],
    ids=["none", "upstream", *(quirk.value for quirk in Quirk)],
)
def test_a_quirk_changes_its_own_answer_alone(make_instance: Callable[..., Instance], quirks: frozenset[Quirk]) -> None:
    assert set(ANSWERS) == set(Quirk)
    assert _answers(make_instance(quirks=quirks)) == _expected(quirks)


@pytest.mark.parametrize(
    ("text", "quirks"),
    [
        ("none", frozenset()),
        ("upstream", UPSTREAM),
        ("MAAS-LIST-011", frozenset({Quirk.LISTING_IGNORES_POLICIES})),
        ("MAAS-LIST-021, MAAS-KEY-070", frozenset({Quirk.FAILED_SUBSCRIPTION_IS_500, Quirk.OFFSET_NEEDS_LIMIT})),
    ],
)
def test_quirks_are_named_by_their_requirements(text: str, quirks: frozenset[Quirk]) -> None:
    assert parse(text) == quirks


def test_an_unknown_quirk_is_told_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match=r"MAAS-LIST-011.*came 'MAAS-LIST-001'"):
        parse("MAAS-LIST-001")
