"""The ASGI applications of an instance: the API, and its metrics on a listener of their own."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from .database import StoreError
from .errors import ApiError, RequestError, json_response
from .identity import GROUPS, USERNAME
from .quirks import Quirk
from .routes import OPERATIONS, Operation
from .service import Service
from .transport import ROUTE, Transport


def api(service: Service) -> ASGIApp:
    """The API. Unknown paths and wrong methods are 404 in plain text, as upstream's router answers them."""
    routes: list[Route] = []
    for path in dict.fromkeys(operation.path for operation in OPERATIONS):
        by_method: dict[str, Operation] = {
            operation.method: operation for operation in OPERATIONS if operation.path == path
        }
        routes.append(_route(service, path, by_method))
    routes.append(Route("/openapi.json", _openapi, methods=["GET"]))
    app = Starlette(
        routes=routes, exception_handlers={ApiError: _error, StoreError: _store_error, 404: _unknown, 405: _unknown}
    )
    app.router.redirect_slashes = False
    return Transport(app, service.metrics, debug=service.settings.debug)


def metrics(service: Service) -> ASGIApp:
    """`GET /metrics`."""

    async def exposition(_request: Request) -> Response:
        body, media_type = service.metrics.exposition()
        return Response(body, media_type=media_type)

    return Starlette(routes=[Route("/metrics", exposition, methods=["GET"])])


def _route(service: Service, path: str, operations: dict[str, Operation]) -> Route:
    async def endpoint(request: Request) -> Response:
        operation = operations.get(request.method)
        if operation is None:
            return await _unknown(request, None)
        if (
            operation.reach == "cluster"
            and came_by_gateway(request)
            and Quirk.INTERNAL_BEHIND_GATEWAY not in service.settings.quirks
        ):
            return await _unknown(request, None)
        request.scope[ROUTE] = operation.template
        return await operation.handler(service, request)

    return Route(path, endpoint, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])


def came_by_gateway(request: Request) -> bool:
    """Whether a gateway forwarded the request: it carries an identity that the authorizer set, or Envoy's own headers.

    The gateway's rule for `/maas-api` leads to internal paths too. They know no callers, so nobody from outside may reach
    them: the authorizer itself calls directly, with neither.
    """
    names = request.headers.keys()
    return USERNAME in names or GROUPS in names or any(name.startswith("x-envoy-") for name in names)


async def _openapi(_request: Request) -> Response:
    # Rarely asked for, and its schema generator is a tenth of the time that a start takes.
    from .openapi import document

    return json_response(document())


async def _unknown(_request: Request, _error: Exception | None) -> Response:
    return PlainTextResponse("404 page not found", 404)


async def _error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return error.response()


async def _store_error(_request: Request, _error: Exception) -> Response:
    return RequestError(500, "the key store does not answer").response()
