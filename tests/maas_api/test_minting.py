"""Creating keys."""

import re
import sqlite3
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from .instance import Instance

UNRESOLVED = {"error": "Unable to resolve a subscription for this API key", "code": "invalid_subscription"}


def _lifetime(key: dict[str, str]) -> timedelta:
    return datetime.fromisoformat(key["expiresAt"]) - datetime.fromisoformat(key["createdAt"])


@pytest.mark.row("MAAS-KEY-001")
def test_a_new_key_comes_with_everything_its_owner_needs(alice: httpx.Client) -> None:
    before = datetime.now(UTC)
    response = alice.post("/v1/api-keys", json={"name": "laptop"})
    key = response.json()
    assert response.status_code == 201
    assert set(key) == {"key", "keyPrefix", "id", "name", "subscription", "createdAt", "expiresAt", "ephemeral"}
    assert (key["name"], key["subscription"], key["ephemeral"]) == ("laptop", "basic", False)
    assert key["createdAt"].endswith("Z")
    assert before <= datetime.fromisoformat(key["createdAt"]) <= datetime.now(UTC)


@pytest.mark.row("MAAS-KEY-002", "MAAS-KEY-003", "MAAS-KEY-006")
def test_the_form_of_a_key(alice: httpx.Client, maas: Instance) -> None:
    keys = [maas.mint(alice) for _ in range(20)]
    for key in keys:
        match = re.fullmatch(r"sk-oai-([0-9A-Za-z]{16,17})_([0-9A-Za-z]{43})", key["key"])
        assert match
        assert key["keyPrefix"] == f"sk-oai-{match[1][:12]}..."
        assert str(uuid.UUID(key["id"])) == key["id"]
        assert match[1] not in key["id"]
    assert len({key["key"] for key in keys}) == len({key["id"] for key in keys}) == 20


@pytest.mark.row("MAAS-KEY-004")
def test_only_a_hash_is_stored(alice: httpx.Client, maas: Instance) -> None:
    text = maas.mint(alice)["key"]
    path = maas.settings.database.removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        (digest,) = database.execute("SELECT key_hash FROM api_keys").fetchone()
        dump = "\n".join(database.iterdump())
    assert re.fullmatch(r"[0-9a-f]{64}", digest)
    for part in text.removeprefix("sk-oai-").split("_"):
        assert part not in dump


@pytest.mark.row("MAAS-KEY-005")
def test_the_text_of_a_key_is_never_shown_again(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice)
    for described in (
        alice.get(f"/v1/api-keys/{key['id']}").json(),
        alice.post("/v1/api-keys/search", json={}).json()["data"][0],
    ):
        assert described["id"] == key["id"]
        assert not {"key", "keyPrefix", "keyHash", "groups"} & set(described)


@pytest.mark.row("MAAS-KEY-007")
@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, {"ephemeral": False}])
def test_a_name_is_required(alice: httpx.Client, body: dict[str, object]) -> None:
    response = alice.post("/v1/api-keys", json=body)
    assert (response.status_code, response.json()) == (400, {"error": "name is required for non-ephemeral keys"})


@pytest.mark.row("MAAS-KEY-008")
def test_blanks_around_a_name_are_trimmed_and_alone_refused(alice: httpx.Client) -> None:
    response = alice.post("/v1/api-keys", json={"name": "   "})
    assert (response.status_code, response.json()) == (400, {"error": "key name cannot be whitespace only"})
    assert alice.post("/v1/api-keys", json={"name": " a "}).json()["name"] == "a"


@pytest.mark.row("MAAS-KEY-009")
def test_a_name_is_counted_in_code_points(alice: httpx.Client) -> None:
    assert alice.post("/v1/api-keys", json={"name": "ü" * 128}).status_code == 201
    assert alice.post("/v1/api-keys", json={"name": "🙂" * 128}).status_code == 201
    response = alice.post("/v1/api-keys", json={"name": "ü" * 129})
    assert (response.status_code, response.json()) == (400, {"error": "key name cannot exceed 128 characters"})


@pytest.mark.row("MAAS-KEY-010")
@pytest.mark.parametrize("name", ["a\nb", "a\x00", "\x1f", "a\x7f", "tab\t"])
def test_control_characters_in_a_name_are_refused(alice: httpx.Client, name: str) -> None:
    response = alice.post("/v1/api-keys", json={"name": name})
    assert (response.status_code, response.json()) == (400, {"error": "key name contains invalid control characters"})


@pytest.mark.row("MAAS-KEY-011")
def test_names_need_not_differ_and_descriptions_may_be_long(alice: httpx.Client, maas: Instance) -> None:
    first, second = (maas.mint(alice, name="same", description="d" * 100_000) for _ in range(2))
    assert first["id"] != second["id"]
    assert alice.get(f"/v1/api-keys/{second['id']}").json()["description"] == "d" * 100_000


@pytest.mark.row("MAAS-KEY-012")
def test_an_ephemeral_key_names_itself(alice: httpx.Client) -> None:
    before = time.time_ns()
    key = alice.post("/v1/api-keys", json={"ephemeral": True}).json()
    match = re.fullmatch(r"ephemeral-(\d{19})", key["name"])
    assert match
    assert before <= int(match[1]) <= time.time_ns()
    assert key["ephemeral"] is True


@pytest.mark.row("MAAS-KEY-020")
def test_the_longest_lifetime_is_the_usual_one(alice: httpx.Client, maas: Instance) -> None:
    assert _lifetime(maas.mint(alice)) == timedelta(days=90)
    assert _lifetime(maas.mint(alice, expiresIn="90d")) == timedelta(days=90)
    response = alice.post("/v1/api-keys", json={"name": "a", "expiresIn": "91d"})
    assert response.status_code == 400
    assert "exceed" in response.json()["error"]
    assert "maximum" in response.json()["error"]


@pytest.mark.row("MAAS-KEY-020", "MAAS-CRD-091")
def test_the_tenant_configures_the_longest_lifetime(alice: httpx.Client, maas: Instance) -> None:
    metadata = {"name": "default-tenant", "namespace": "models-as-a-service"}
    maas.catalogue.settings.put({"metadata": metadata, "spec": {"apiKeys": {"maxExpirationDays": 7}}})
    assert _lifetime(maas.mint(alice)) == timedelta(days=7)
    assert alice.post("/v1/api-keys", json={"name": "a", "expiresIn": "8d"}).status_code == 400
    assert alice.get("/v1/api-keys/config").json()["max_expiration_days"] == 7
    maas.catalogue.settings.put({"metadata": metadata, "spec": {}})
    assert _lifetime(maas.mint(alice)) == timedelta(days=90)


@pytest.mark.row("MAAS-KEY-021")
def test_an_ephemeral_key_lives_an_hour_at_most(alice: httpx.Client, maas: Instance) -> None:
    assert _lifetime(maas.mint(alice, ephemeral=True)) == timedelta(hours=1)
    assert _lifetime(maas.mint(alice, ephemeral=True, expiresIn="60m")) == timedelta(hours=1)
    assert alice.post("/v1/api-keys", json={"ephemeral": True, "expiresIn": "61m"}).status_code == 400


@pytest.mark.row("MAAS-KEY-022")
@pytest.mark.parametrize("lifetime", ["", 0, "0s", "-1h", -5, "0", "-1d", 0.0])
def test_a_lifetime_is_positive(alice: httpx.Client, lifetime: object) -> None:
    response = alice.post("/v1/api-keys", json={"name": "a", "expiresIn": lifetime})
    assert (response.status_code, response.json()) == (400, {"error": "expiration must be positive"})


@pytest.mark.row("MAAS-KEY-023")
@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [
        ("1h30m", 5400),
        ("1.5d", 129_600),
        ("30d", 2_592_000),
        ("1.5h", 5400),
        ("90s", 90),
        (60, 60),
        (1.5, 1.5),
        ("500ms", 0.5),
    ],
)
def test_lifetimes_are_go_durations_days_or_seconds(
    alice: httpx.Client, maas: Instance, lifetime: object, seconds: float
) -> None:
    assert _lifetime(maas.mint(alice, expiresIn=lifetime)) == timedelta(seconds=seconds)


@pytest.mark.row("MAAS-KEY-023")
@pytest.mark.parametrize(
    "lifetime", ["30d12h", "1w", True, False, "soon", "1", "h", "1 h", [], {}, "\u0661h", "1e3s", "."]
)
def test_other_lifetimes_are_refused(alice: httpx.Client, lifetime: object) -> None:
    response = alice.post("/v1/api-keys", json={"name": "a", "expiresIn": lifetime})
    assert response.status_code == 400
    assert "expiresIn" in response.json()["error"]


@pytest.mark.row("MAAS-KEY-024")
@pytest.mark.parametrize("lifetime", ["1ns", 0.0000001])
def test_there_is_no_shortest_lifetime(alice: httpx.Client, maas: Instance, lifetime: object) -> None:
    key = maas.mint(alice, expiresIn=lifetime)
    assert maas.validate(key["key"]) == {"valid": False, "tenant": "", "reason": "key revoked or expired"}


@pytest.mark.row("MAAS-KEY-030")
def test_without_a_choice_priority_decides_then_limit_then_name(maas: Instance) -> None:
    client = maas.caller("carol", "team")
    maas.subscription("z", ["m"], groups=("team",), priority=1)
    assert maas.mint(client)["subscription"] == "z"
    maas.subscription("a", ["m"], groups=("team",), priority=1)
    assert maas.mint(client)["subscription"] == "a"
    maas.subscription(
        "y", ["m"], users=("carol",), priority=1, limits=[{"limit": 5, "window": "1s"}, {"limit": 101, "window": "1h"}]
    )
    assert maas.mint(client)["subscription"] == "y"
    maas.subscription("x", ["m"], users=("carol",), priority=2, limits=[{"limit": 1, "window": "1s"}])
    assert maas.mint(client)["subscription"] == "x"
    maas.subscription("foreign", ["m"], users=("dave",), priority=9)
    assert maas.mint(client)["subscription"] == "x"


@pytest.mark.row("MAAS-KEY-031")
@pytest.mark.parametrize("broken", [{"phase": "Failed"}, {"phase": ""}, {"deleted": "2026-08-21T10:00:00Z"}])
def test_without_a_choice_an_unusable_subscription_is_passed_over(
    maas: Instance, upstream: Instance, broken: dict[str, str]
) -> None:
    for instance, chosen in ((maas, "works"), (upstream, "broken")):
        instance.subscription("broken", ["m"], users=("carol",), priority=9, **broken)
        instance.subscription("works", ["m"], users=("carol",), priority=1)
        assert instance.mint(instance.caller("carol"))["subscription"] == chosen


@pytest.mark.row("MAAS-KEY-032")
@pytest.mark.parametrize("wanted", ["second", "models-as-a-service/second", " second "])
def test_an_owned_subscription_can_be_chosen(maas: Instance, wanted: str) -> None:
    maas.subscription("first", ["m"], users=("carol",), priority=5)
    maas.subscription("second", ["m"], users=("carol",))
    assert maas.mint(maas.caller("carol"), subscription=wanted)["subscription"] == "second"


@pytest.mark.row("MAAS-KEY-033")
def test_subscriptions_of_others_cannot_be_probed(maas: Instance) -> None:
    maas.subscription("secret", ["m"], users=("dave",))
    maas.subscription("own", ["m"], users=("carol",))
    carol, nobody = maas.caller("carol"), maas.caller("nobody")
    bodies = [
        {"name": "a", "subscription": name}
        for name in ("secret", "unknown", "models-as-a-service/secret", "other/own", "a/b/c")
    ]
    answers = [carol.post("/v1/api-keys", json=body) for body in bodies] + [
        nobody.post("/v1/api-keys", json={"name": "a"})
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json() == UNRESOLVED


@pytest.mark.row("MAAS-KEY-034")
def test_a_failed_subscription_is_not_ready(maas: Instance) -> None:
    maas.subscription("s", ["m"], users=("carol",), phase="Failed")
    response = maas.caller("carol").post("/v1/api-keys", json={"name": "a", "subscription": "s"})
    assert (response.status_code, response.json()["code"]) == (403, "subscription_not_ready")


@pytest.mark.row("MAAS-KEY-035")
def test_an_unreconciled_subscription_is_not_ready(maas: Instance) -> None:
    maas.subscription("s", ["m"], users=("carol",), phase="")
    response = maas.caller("carol").post("/v1/api-keys", json={"name": "a", "subscription": "s"})
    assert (response.status_code, response.json()["code"]) == (400, "subscription_not_ready")


@pytest.mark.row("MAAS-KEY-036")
@pytest.mark.parametrize("phase", ["Active", "Degraded", "Pending"])
def test_other_phases_allow_minting(maas: Instance, phase: str) -> None:
    maas.subscription("s", ["m"], users=("carol",), phase=phase)
    assert maas.mint(maas.caller("carol"), subscription="s")["subscription"] == "s"


@pytest.mark.row("MAAS-KEY-037")
def test_minting_needs_no_access_to_a_model(maas: Instance) -> None:
    maas.model("m1")
    maas.subscription("s", ["m1"], users=("carol",))
    key = maas.mint(maas.caller("carol"))
    assert maas.validate(key["key"])["valid"] is True
    assert maas.select(username="carol", groups=[], requestedModel="llm/m1")["accessAllowed"] is False


@pytest.mark.row("MAAS-KEY-038")
def test_a_group_that_cannot_be_stored_is_refused(maas: Instance, upstream: Instance) -> None:
    for instance, answer in ((maas, 400), (upstream, 500)):
        instance.subscription("s", ["m"], users=("carol",))
        response = instance.caller("carol", "/Engineering").post("/v1/api-keys", json={"name": "a"})
        assert response.status_code == answer
    assert response.json() == {"error": "Failed to create API key"}


@pytest.mark.row("MAAS-KEY-040", "MAAS-KEY-041")
def test_labels_are_kept(alice: httpx.Client, maas: Instance) -> None:
    labels = {f"team.example/l{number}": "v" * 1024 for number in range(48)} | {"a" * 128: "ü", "x_y.z-1": " "}
    key = maas.mint(alice, labels=labels)
    assert key["labels"] == labels
    assert alice.get(f"/v1/api-keys/{key['id']}").json()["labels"] == labels


@pytest.mark.row("MAAS-KEY-041")
@pytest.mark.parametrize("body", [{}, {"labels": {}}, {"labels": None}])
def test_without_labels_none_are_shown(alice: httpx.Client, maas: Instance, body: dict[str, object]) -> None:
    key = maas.mint(alice, **body)
    assert "labels" not in key
    assert "labels" not in alice.get(f"/v1/api-keys/{key['id']}").json()


@pytest.mark.row("MAAS-KEY-040")
@pytest.mark.parametrize(
    ("labels", "limit"),
    [
        ({f"l{number}": "v" for number in range(51)}, "50"),
        ({"a" * 129: "v"}, "128"),
        ({"-a": "v"}, "128"),
        ({"a/b/c": "v"}, "128"),
        ({"": "v"}, "128"),
        ({"a b": "v"}, "128"),
        ({"a": ""}, "1024"),
        ({"a": "v" * 1025}, "1024"),
        ({"a": "v\n"}, "1024"),
    ],
)
def test_labels_beyond_a_limit_are_refused_by_its_name(alice: httpx.Client, labels: dict[str, str], limit: str) -> None:
    response = alice.post("/v1/api-keys", json={"name": "a", "labels": labels})
    assert response.status_code == 400
    assert limit in response.json()["error"]


@pytest.mark.row("MAAS-KEY-042", "MAAS-REV-006")
def test_a_key_freezes_its_owners_groups(maas: Instance) -> None:
    maas.subscription("s", ["m1"], groups=("team",))
    key = maas.mint(maas.caller("carol", "team", "staff"))
    assert maas.caller("carol", "staff").get("/v1/subscriptions").json() == []
    assert maas.validate(key["key"])["groups"] == ["team", "staff"]


@pytest.mark.row("MAAS-AUTH-038")
def test_the_old_tenant_header_means_nothing(maas: Instance, alice: httpx.Client) -> None:
    response = alice.post("/v1/api-keys", json={"name": "a"}, headers={"X-MaaS-Tenant": "other"})
    assert maas.validate(response.json()["key"])["tenant"] == "models-as-a-service"


@pytest.mark.row("MAAS-REV-008")
def test_a_new_key_works_at_once_beside_a_revoked_one(alice: httpx.Client, maas: Instance) -> None:
    old, new = maas.mint(alice), maas.mint(alice)
    alice.delete(f"/v1/api-keys/{old['id']}")
    assert maas.validate(old["key"])["valid"] is False
    assert maas.validate(new["key"])["valid"] is True


@pytest.mark.row("MAAS-KEY-020")
def test_the_instance_sets_the_longest_lifetime_where_no_tenant_does(make_instance: Callable[..., Instance]) -> None:
    maas = make_instance(max_expiration_days=2)
    maas.subscription("s", ["m1"], users=("carol",))
    assert _lifetime(maas.mint(maas.caller("carol"))) == timedelta(days=2)


@pytest.mark.row("MAAS-KEY-043", "MAAS-SEC-010")
def test_a_key_that_mints_a_key_is_not_outlived_by_it(maas: Instance, upstream: Instance) -> None:
    lifetimes = []
    for instance in (maas, upstream):
        instance.subscription("s", ["m1"], users=("carol",))
        minter = instance.mint(instance.caller("carol"), ephemeral=True, expiresIn="10m")
        by_key = instance.caller("carol", Authorization=f"Bearer {minter['key']}")
        minted = instance.mint(by_key)
        lifetimes.append(_lifetime(minted))
        too_long = by_key.post("/v1/api-keys", json={"name": "a", "expiresIn": "30d"})
        if instance is maas:
            assert minted["expiresAt"] == minter["expiresAt"]
            assert too_long.status_code == 400
            assert "maximum" in too_long.json()["error"]
        else:
            assert too_long.status_code == 201
    assert lifetimes[0] < timedelta(minutes=10)
    assert lifetimes[1] == timedelta(days=90)


@pytest.mark.row("MAAS-SEC-010")
def test_an_unknown_key_mints_nothing(maas: Instance) -> None:
    maas.subscription("s", ["m1"], users=("carol",))
    for text in ("sk-oai-a_b", "sk-oai-"):
        response = maas.caller("carol", Authorization=f"Bearer {text}").post("/v1/api-keys", json={"name": "a"})
        assert response.status_code == 403
