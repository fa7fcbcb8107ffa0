"""What tests do with an issuer: realms, keys, people, and a token that says whatever the test wants.

It listens apart from the realms, on loopback, and asks for no credential: whoever reaches it may be anybody.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.simulator.issuer.realm import LIFETIME_S, Algorithm, Realm, Realms, UnknownKeyError, User

LONGEST_S = 400 * 86_400
Wish = TypeVar("Wish", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]


class _Edge(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRealm(_Edge):
    """A realm to be made."""

    algorithm: Algorithm = "ES256"


class NewKey(_Edge):
    """A key to be published; without an algorithm the realm's own. `signs`: tokens that name no key are signed with it."""

    algorithm: Algorithm | None = None
    signs: bool = True


class NewUser(_Edge):
    """Somebody who may log in, or whose groups change."""

    password: str = Field(min_length=1)
    groups: tuple[str, ...] = ()


class NewClient(_Edge):
    """A client; without a secret a public one."""

    secret: str = ""


class Availability(_Edge):
    """Whether the realm answers the public."""

    available: bool


class NewToken(_Edge):
    """A token to be signed. `claims` lie on top of the usual ones, and null leaves one out; `expires_in` seconds may lie in the past."""

    claims: dict[str, Any] = Field(default_factory=dict)
    header: dict[str, Any] = Field(default_factory=dict)
    expires_in: float = Field(LIFETIME_S, ge=-LONGEST_S, le=LONGEST_S)
    kid: str | None = None


class RealmCollector(Collector):
    """Series of the realms."""

    def __init__(self, realms: Realms) -> None:
        self._realms = realms

    def collect(self) -> Any:
        """Published keys, and how often they were asked for."""
        keys = GaugeMetricFamily("oidc_issuer_keys", "Signing keys that are published.", labels=["realm"])
        fetched = CounterMetricFamily("oidc_issuer_key_fetches", "Answers with the published keys.", labels=["realm"])
        for realm in self._realms:
            keys.add_metric([realm.name], len(realm.keys))
            fetched.add_metric([realm.name], realm.fetched)
        return [keys, fetched]


class Administration:
    """Handlers over the realms."""

    def __init__(self, realms: Realms, changed: Callable[[], None]) -> None:
        """`changed` is called before the answer to whatever changed a realm."""
        self._realms = realms
        self._changed = changed
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(RealmCollector(realms))

    def app(self) -> Starlette:
        """The application."""
        realm = "/realms/{realm}"
        table: list[tuple[str, str, Handler, bool]] = [
            ("GET", "/metrics", self.metrics, False),
            ("PUT", realm, self.make, True),
            ("GET", realm, self.show, False),
            ("DELETE", realm, self.remove, True),
            ("PUT", f"{realm}/availability", self.switch, True),
            ("POST", f"{realm}/tokens", self.sign, False),
            ("POST", f"{realm}/keys", self.rotate, True),
            ("DELETE", f"{realm}/keys/{{kid}}", self.withdraw, True),
            ("PUT", f"{realm}/users/{{name}}", self.put_user, True),
            ("PUT", f"{realm}/clients/{{name}}", self.put_client, True),
        ]
        return Starlette(
            routes=[
                Route(path, guarded(self._kept(handler) if changes else handler), methods=[method])
                for method, path, handler, changes in table
            ]
        )

    def _kept(self, handler: Handler) -> Handler:
        """The handler, what it did being kept before it is told."""

        async def answer(request: Request) -> Response:
            response = await handler(request)
            self._changed()
            return response

        return answer

    async def metrics(self, _request: Request) -> Response:
        """Prometheus text."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def make(self, request: Request) -> Response:
        """Make a realm, unless it is there."""
        wish = await read(request, NewRealm)
        return shown(self._realms.make(request.path_params["realm"], wish.algorithm))

    async def show(self, request: Request) -> Response:
        """Its URL, its key ids, and how often they were fetched."""
        return shown(self._realm(request))

    async def remove(self, request: Request) -> Response:
        """Forget a realm."""
        self._realms.remove(request.path_params["realm"])
        return Response(status_code=204)

    async def switch(self, request: Request) -> Response:
        """Let the realm answer 503, or answer again."""
        realm = self._realm(request)
        realm.available = (await read(request, Availability)).available
        return shown(realm)

    async def sign(self, request: Request) -> Response:
        """A token for anybody."""
        realm, wish = self._realm(request), await read(request, NewToken)
        token = realm.sign(wish.claims, expires_in=wish.expires_in, header=wish.header, kid=wish.kid)
        return JSONResponse({"access_token": token, "expires_in": int(wish.expires_in), "token_type": "Bearer"})

    async def rotate(self, request: Request) -> Response:
        """A new key; the old ones stay published."""
        realm, wish = self._realm(request), await read(request, NewKey)
        return JSONResponse({"kid": realm.rotate(wish.algorithm, signs=wish.signs)}, status_code=201)

    async def withdraw(self, request: Request) -> Response:
        """Publish a key no longer."""
        self._realm(request).withdraw(request.path_params["kid"])
        return Response(status_code=204)

    async def put_user(self, request: Request) -> Response:
        """Make somebody, or change their groups."""
        realm, wish = self._realm(request), await read(request, NewUser)
        realm.users[request.path_params["name"]] = User(wish.password, wish.groups)
        return Response(status_code=204)

    async def put_client(self, request: Request) -> Response:
        """Make a client."""
        realm, wish = self._realm(request), await read(request, NewClient)
        realm.clients[request.path_params["name"]] = wish.secret
        return Response(status_code=204)

    def _realm(self, request: Request) -> Realm:
        name = request.path_params["realm"]
        realm = self._realms.get(name)
        if realm is None:
            raise UnknownKeyError(f"there is no realm {name!r}; make it with PUT /realms/{name}")
        return realm


class UnreadableError(ValueError):
    """A body of another shape; the text says where."""


async def read(request: Request, kind: type[Wish]) -> Wish:
    """The body; an empty one stands for all defaults. Raises UnreadableError."""
    try:
        return kind.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise UnreadableError(f"{where}: {first['msg']}") from error


def guarded(handler: Handler) -> Handler:
    """The handler, its known failures as one sentence of JSON."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except UnknownKeyError as error:
            return JSONResponse({"error": str(error)}, status_code=404)
        except UnreadableError as error:
            return JSONResponse({"error": str(error)}, status_code=422)

    return answer


def shown(realm: Realm) -> Response:
    """A realm without its secrets."""
    return JSONResponse(
        {
            "issuer": realm.url,
            "jwks": realm.published(),
            "key_fetches": realm.fetched,
            "available": realm.available,
        }
    )
