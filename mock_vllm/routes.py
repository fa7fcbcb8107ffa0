"""Routes: which handler answers which method and path, and how endpoint families are found."""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mock_vllm.endpoints
from mock_vllm.wire.exchange import Exchange

if TYPE_CHECKING:
    from mock_vllm.app import App

Handler = Callable[[Exchange], None]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path to a handler. `{name}` in the path matches one segment and lands in `exchange.params`.

    `development` routes exist only with VLLM_SERVER_DEV_MODE=1; `journalled` is false for probes, which would drown the
    journal; `body` is the type of a JSON body, for the OpenAPI document.
    """

    method: str
    path: str
    handler: Handler
    development: bool = False
    journalled: bool = True
    body: Any = None


class Routes:
    """The table of routes: a dictionary look-up for fixed paths, a scan for patterns."""

    def __init__(self) -> None:
        self.fixed: dict[str, dict[str, Route]] = {}
        self.patterns: list[tuple[list[str], dict[str, Route]]] = []

    def add(self, route: Route) -> None:
        """Add one route. Raises ValueError when the method and path are taken."""
        segments = route.path.split("/")
        if "{" in route.path:
            methods = next((known for pattern, known in self.patterns if pattern == segments), None)
            if methods is None:
                methods = {}
                self.patterns.append((segments, methods))
        else:
            methods = self.fixed.setdefault(route.path, {})
        if route.method in methods:
            raise ValueError(f"{route.method} {route.path} is routed twice")
        methods[route.method] = route

    def match(self, path: str) -> tuple[dict[str, Route], dict[str, str]] | None:
        """The routes whose pattern fits a path, by method, and the path's parameters."""
        segments = path.split("/")
        for pattern, methods in self.patterns:
            if len(pattern) == len(segments) and all(
                p == s or (p[:1] == "{" and s) for p, s in zip(pattern, segments, strict=True)
            ):
                return methods, {p[1:-1]: s for p, s in zip(pattern, segments, strict=True) if p[:1] == "{"}
        return None


def collect(app: "App", *, development: bool) -> Routes:
    """The routes of every module below `mock_vllm.endpoints`, in the order of their names."""
    table = Routes()
    for module in sorted(info.name for info in pkgutil.iter_modules(mock_vllm.endpoints.__path__)):
        family = importlib.import_module(f"mock_vllm.endpoints.{module}")
        offered: Iterable[Route] = family.routes(app)
        for route in offered:
            if development or not route.development:
                table.add(route)
    return table
