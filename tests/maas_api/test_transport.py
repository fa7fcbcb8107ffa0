"""What holds for every request."""

import re
import uuid
from collections.abc import Callable

import httpx
import pytest

from .instance import Instance

E4 = {"error": "Exception thrown while generating token", "exceptionCode": "AUTH_FAILURE"}


@pytest.mark.row("MAAS-API-001")
def test_health_is_open_and_constant(maas: Instance) -> None:
    response = maas.anonymous.get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "healthy"})


@pytest.mark.row("MAAS-API-003", "MAAS-LIST-029")
@pytest.mark.parametrize("path", ["/v1/nope", "/", "/v1/models/x", "/v1/api-keys/x/y", "/v1/models/"])
def test_unknown_paths_are_404_in_plain_text(alice: httpx.Client, path: str) -> None:
    response = alice.get(path)
    assert (response.status_code, response.text) == (404, "404 page not found")
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.row("MAAS-API-004", "MAAS-API-022")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/api-keys/x"),
        ("PATCH", "/v1/api-keys/x"),
        ("GET", "/v1/api-keys"),
        ("POST", "/v1/models"),
        ("POST", "/v1/tokens"),
        ("HEAD", "/v1/models"),
        ("DELETE", "/health"),
    ],
)
def test_a_wrong_method_is_404_not_405(alice: httpx.Client, method: str, path: str) -> None:
    assert alice.request(method, path).status_code == 404


@pytest.mark.row("MAAS-API-005")
def test_a_declared_body_above_one_mebibyte_is_refused(alice: httpx.Client) -> None:
    body = b'"' + b"a" * (1 << 20) + b'"'
    response = alice.post("/v1/api-keys", content=body)
    assert (response.status_code, response.json()) == (400, {"error": "http: request body too large"})


@pytest.mark.row("MAAS-API-005")
def test_a_streamed_body_above_one_mebibyte_is_refused(alice: httpx.Client) -> None:
    response = alice.post("/v1/api-keys", content=(b"a" * 65536 for _ in range(17)))
    assert (response.status_code, response.json()) == (400, {"error": "http: request body too large"})


@pytest.mark.row("MAAS-API-005")
def test_a_body_of_one_mebibyte_is_read(alice: httpx.Client) -> None:
    start = b'{"name":"big","description":"'
    body = start + b"a" * ((1 << 20) - len(start) - 2) + b'"}'
    assert len(body) == 1 << 20
    assert alice.post("/v1/api-keys", content=body).status_code == 201


@pytest.mark.row("MAAS-API-006")
@pytest.mark.parametrize("path", ["/health", "/nope", "/v1/models", "/v1/api-keys/config"])
def test_every_answer_carries_a_request_id(maas: Instance, path: str) -> None:
    assert uuid.UUID(maas.anonymous.get(path).headers["x-request-id"]).version == 4


@pytest.mark.row("MAAS-API-007")
@pytest.mark.parametrize("wanted", ["abc-1", "A.b_c", "x" * 128])
def test_a_wellformed_request_id_is_echoed(maas: Instance, wanted: str) -> None:
    assert maas.anonymous.get("/health", headers={"X-Request-ID": wanted}).headers["x-request-id"] == wanted


@pytest.mark.row("MAAS-API-007")
@pytest.mark.parametrize("wanted", ["a b", "x" * 129, "", "a\u00e9", "a/b"])
def test_another_request_id_is_replaced(maas: Instance, wanted: str) -> None:
    answer = maas.anonymous.get("/health", headers={"X-Request-ID": wanted.encode()}).headers["x-request-id"]
    assert uuid.UUID(answer).version == 4


@pytest.mark.row("MAAS-API-008")
def test_no_origin_is_allowed_in_production(maas: Instance) -> None:
    response = maas.anonymous.get("/health", headers={"Origin": "http://localhost:3000"})
    assert response.status_code == 200
    assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.row("MAAS-API-009")
def test_debugging_allows_browsers_of_this_machine_alone(make_instance: Callable[..., Instance]) -> None:
    client = make_instance(debug=True).anonymous
    for origin in ("http://localhost", "http://localhost:3000", "http://127.0.0.1:8080", "http://[::1]:5173"):
        answer = client.options("/v1/models", headers={"Origin": origin})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, origin)
        assert answer.headers["access-control-max-age"] == "43200"
        assert "access-control-allow-credentials" not in answer.headers
    for origin in ("https://localhost", "https://evil.example", "http://localhost.evil.example", "null"):
        answer = client.get("/health", headers={"Origin": origin})
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.row("MAAS-API-010")
@pytest.mark.parametrize("path", ["/v1/models", "/nope", "/internal/v1/api-keys/validate"])
def test_options_needs_no_identity(maas: Instance, path: str) -> None:
    assert maas.anonymous.options(path).status_code == 204


@pytest.mark.row("MAAS-API-015")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/api-keys"),
        ("GET", "/v1/api-keys/config"),
        ("GET", "/v1/api-keys/x"),
        ("DELETE", "/v1/api-keys/x"),
        ("POST", "/v1/api-keys/bulk-revoke"),
    ],
)
@pytest.mark.parametrize(
    ("headers", "reference"),
    [
        ({}, "001"),
        ({"X-MaaS-Group": '["a"]'}, "001"),
        ({"X-MaaS-Username": "", "X-MaaS-Group": '["a"]'}, "001"),
        ({"X-MaaS-Username": "alice"}, "002"),
        ({"X-MaaS-Username": "alice", "X-MaaS-Group": "a,b"}, "003"),
        ({"X-MaaS-Username": "alice", "X-MaaS-Group": "[]"}, "003"),
    ],
)
def test_strict_operations_without_identity_fail_with_500(
    maas: Instance, method: str, path: str, headers: dict[str, str], reference: str
) -> None:
    response = maas.anonymous.request(method, path, headers=headers)
    assert (response.status_code, response.json()) == (500, E4 | {"refId": reference})


@pytest.mark.row("MAAS-API-016")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/models", {"object": "list", "data": []}),
        ("GET", "/v1/subscriptions", []),
        ("GET", "/v1/model/m1/subscriptions", []),
        ("POST", "/v1/api-keys/search", {"object": "list", "data": [], "has_more": False}),
    ],
)
def test_optional_operations_without_identity_are_empty(maas: Instance, method: str, path: str, body: object) -> None:
    maas.model("m1")
    maas.subscription("basic", ["m1"], groups=("system:authenticated",))
    maas.policy("access", ["m1"], groups=("system:authenticated",))
    response = maas.anonymous.request(method, path)
    assert (response.status_code, response.json()) == (200, body)


@pytest.mark.row("MAAS-API-017")
@pytest.mark.parametrize("path", ["/v1/models", "/v1/subscriptions", "/v1/model/m1/subscriptions"])
@pytest.mark.parametrize(
    ("headers", "reference"), [({"X-MaaS-Group": '["a"]'}, "001"), ({"X-MaaS-Username": "alice"}, "002")]
)
def test_optional_operations_with_half_an_identity_fail(
    maas: Instance, path: str, headers: dict[str, str], reference: str
) -> None:
    response = maas.anonymous.get(path, headers=headers)
    assert (response.status_code, response.json()) == (500, E4 | {"refId": reference})


@pytest.mark.row("MAAS-API-018")
@pytest.mark.parametrize("groups", ['["team","other"]', "[team other]", '[ "team" , "" ]', '["  team "]'])
def test_groups_come_as_json_or_as_words(maas: Instance, groups: str) -> None:
    maas.subscription("basic", ["m1"], groups=("team",))
    headers = {"X-MaaS-Username": "alice", "X-MaaS-Group": groups}
    response = maas.anonymous.post("/v1/api-keys", headers=headers, json={"name": "a"})
    assert (response.status_code, response.json()["subscription"]) == (201, "basic")


@pytest.mark.row("MAAS-API-018")
def test_only_blank_groups_are_no_groups(maas: Instance) -> None:
    response = maas.anonymous.get("/v1/models", headers={"X-MaaS-Username": "alice", "X-MaaS-Group": '["", " "]'})
    assert (response.status_code, response.json()) == (500, E4 | {"refId": "003"})


@pytest.mark.row("MAAS-SEC-011")
@pytest.mark.parametrize(
    "groups", ['["a" system:masters]', '["a","b" "c"]', '["a"] [system:masters]', '["a\\"," system:masters]', "[a,b]"]
)
def test_broken_groups_are_none(maas: Instance, groups: str) -> None:
    maas.subscription("s", ["m1"], groups=("system:masters", "a", "b", "c"))
    response = maas.anonymous.get("/v1/subscriptions", headers={"X-MaaS-Username": "eve", "X-MaaS-Group": groups})
    assert (response.status_code, response.json()) == (500, E4 | {"refId": "003"})


@pytest.mark.row("MAAS-API-019")
def test_listings_are_not_to_be_stored_and_keys_say_nothing(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice)
    for method, path in [("GET", "/v1/models"), ("GET", "/v1/subscriptions"), ("GET", "/v1/model/m1/subscriptions")]:
        assert alice.request(method, path).headers["cache-control"] == "no-store"
    assert alice.post("/v1/api-keys/search", json={}).headers["cache-control"] == "no-store"
    for path in (f"/v1/api-keys/{key['id']}", "/v1/api-keys/config"):
        assert "cache-control" not in alice.get(path).headers


@pytest.mark.row("MAAS-API-020", "MAAS-KEY-072")
@pytest.mark.parametrize("path", ["/v1/api-keys", "/v1/api-keys/search", "/v1/api-keys/bulk-revoke"])
def test_unreadable_bodies_are_400_with_a_reason(alice: httpx.Client, path: str) -> None:
    assert alice.post(path).json() == {"error": "EOF"}
    for body in (b"{", b'{"name": }', b"[]", b'"text"', b'{"name": 5, "filters": 5, "username": 5}'):
        response = alice.post(path, content=body)
        assert (response.status_code, list(response.json())) == (400, ["error"])


@pytest.mark.row("MAAS-API-020", "MAAS-KEY-044")
def test_unknown_members_are_ignored_and_cannot_choose_an_owner(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice, username="bob", groups=["admins"], nonsense=1)
    assert alice.get(f"/v1/api-keys/{key['id']}").json()["username"] == "alice"
    assert maas.validate(key["key"])["groups"] == ["system:authenticated"]


@pytest.mark.row("MAAS-API-021")
def test_the_media_type_of_a_request_is_not_looked_at(alice: httpx.Client) -> None:
    response = alice.post("/v1/api-keys", content=b'{"name":"a"}', headers={"Content-Type": "text/plain"})
    assert response.status_code == 201


@pytest.mark.row("MAAS-SEC-012")
def test_no_answer_shows_internals(alice: httpx.Client, maas: Instance) -> None:
    key = maas.mint(alice)["key"]
    texts = [
        alice.post("/v1/api-keys", content=f'{{"name": "{key}"'.encode()).text,
        alice.post("/v1/api-keys", json={"name": [key]}).text,
        alice.get("/v1/api-keys/' OR 1=1 --").text,
        maas.anonymous.post("/internal/v1/api-keys/validate", json={"key": key + "x"}).text,
        alice.post("/v1/api-keys", json={"name": "a", "expiresIn": key}).text,
    ]
    secret = key.partition("_")[2]
    for text in texts:
        assert secret not in text
        assert not re.search(r"Traceback|sqlite|SELECT|File \"", text)
