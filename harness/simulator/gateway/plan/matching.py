"""HTTPRoute rules as Envoy routes, in Gateway API's order of precedence."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import re2

from harness.simulator.gateway.envoy_config.filters import REQUEST
from harness.simulator.gateway.envoy_config.typed import JSON
from harness.simulator.gateway.plan.gatewayapi import Object

QUIET = re2.Options()
QUIET.log_errors = False
MODEL_HEADER = "x-gateway-model-name"


@dataclass(frozen=True, slots=True)
class Match:
    """One match of one rule. `by_body`: the model header is read from the request's body, never from the client's header."""

    path_type: str
    path: str
    method: str
    headers: tuple[tuple[str, str, str], ...]
    query: tuple[tuple[str, str, str], ...]
    by_body: bool

    @property
    def precedence(self) -> tuple[int, int, int, int, int]:
        """Ascending order: exact paths, longer prefixes, a method, more headers, more query parameters."""
        kind = {"Exact": 0, "RegularExpression": 1}.get(self.path_type, 2)
        return kind, -len(self.path.rstrip("/")), -bool(self.method), -len(self.headers), -len(self.query)

    @property
    def model(self) -> str:
        """The one model that a request's body has to name; empty where it is not just one."""
        return next(
            (value for name, kind, value in self.headers if kind == "Exact" and self._from_body((name, kind, value))),
            "",
        )

    def envoy(self) -> JSON:
        """The RouteMatch."""
        match: JSON = path_match(self.path_type, self.path)
        headers = [header_match(*header) for header in self.headers if not self._from_body(header)]
        if self.method:
            headers.append({"name": ":method", "string_match": {"exact": self.method}})
        if headers:
            match["headers"] = headers
        if self.query:
            match["query_parameters"] = [
                {"name": name, "string_match": string(kind, value)} for name, kind, value in self.query
            ]
        models = [string(kind, value) for name, kind, value in self.headers if self._from_body((name, kind, value))]
        if models:
            match["dynamic_metadata"] = [
                {"filter": REQUEST, "path": [{"key": "model"}], "value": {"string_match": model}} for model in models
            ]
        return match

    def _from_body(self, header: tuple[str, str, str]) -> bool:
        return self.by_body and header[0].lower() == MODEL_HEADER


def invalid_pattern(match: Match) -> str | None:
    """What is wrong with a regular expression of the match. Envoy would refuse all routes of the listener for one that RE2 cannot read."""
    patterns = [value for _, kind, value in (*match.headers, *match.query) if kind == "RegularExpression"]
    if match.path_type == "RegularExpression":
        patterns.append(match.path)
    for pattern in patterns:
        try:
            re2.compile(pattern, QUIET)
        except re2.error as error:
            reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
            return f"{pattern!r} is no RE2 expression: {reason}"
    return None


def string(kind: str, value: str) -> JSON:
    """A string matcher."""
    return {"exact": value} if kind == "Exact" else {"safe_regex": {"regex": value}}


def header_match(name: str, kind: str, value: str) -> JSON:
    """A header matcher."""
    return {"name": name, "string_match": string(kind, value)}


def path_match(kind: str, path: str) -> JSON:
    """A path matcher; prefixes match whole path elements."""
    if kind == "Exact":
        return {"path": path}
    if kind == "RegularExpression":
        return {"safe_regex": {"regex": path}}
    trimmed = path.rstrip("/")
    return {"path_separated_prefix": trimmed} if trimmed else {"prefix": "/"}


def matches(rule: Object, *, by_body: bool) -> Iterator[Match]:
    """The matches of a rule, defaults filled in."""
    items: list[Object] = list(rule.get("matches") or [{}])
    for item in items:
        path = item.get("path") or {}
        yield Match(
            path_type=str(path.get("type") or "PathPrefix"),
            path=str(path.get("value") or "/"),
            method=str(item.get("method") or ""),
            headers=values(item.get("headers")),
            query=values(item.get("queryParams")),
            by_body=by_body,
        )


def values(items: Any) -> tuple[tuple[str, str, str], ...]:
    """Name, type and value of header or query matches."""
    return tuple((str(item["name"]), str(item.get("type") or "Exact"), str(item["value"])) for item in items or ())


def rewrite(rule: Object, match: Match) -> JSON:
    """Fields of a RouteAction that rewrite path and host."""
    action: JSON = {}
    for item in rule.get("filters") or ():
        for header in (item.get("requestHeaderModifier") or {}).get("set") or ():
            if is_host(header["name"]):
                action["host_rewrite_literal"] = header["value"]
        change = item.get("urlRewrite") if item.get("type") == "URLRewrite" else None
        if not change:
            continue
        if change.get("hostname"):
            action["host_rewrite_literal"] = change["hostname"]
        path = change.get("path") or {}
        if path.get("type") == "ReplaceFullPath":
            action["regex_rewrite"] = {"pattern": {"regex": "^/.*$"}, "substitution": literal(path["replaceFullPath"])}
        elif path.get("type") == "ReplacePrefixMatch":
            action["regex_rewrite"] = prefix_rewrite(
                match.path.rstrip("/"), str(path["replacePrefixMatch"]).rstrip("/")
            )
    return action


def is_host(name: str) -> bool:
    """Whether a header is the request's host: Envoy rewrites it in the route's action, and refuses all routes of a listener otherwise."""
    return name.lower() == "host"


def prefix_rewrite(prefix: str, replacement: str) -> JSON:
    """Replace a whole-element prefix; `/` as replacement leaves one leading slash, never two and never none."""
    if not replacement:
        return {"pattern": {"regex": f"^{re.escape(prefix)}/*"}, "substitution": "/"}
    return {"pattern": {"regex": f"^{re.escape(prefix)}"}, "substitution": literal(replacement)}


def literal(text: str) -> str:
    """Text as an RE2 substitution."""
    return text.replace("\\", "\\\\")


def header_changes(rule: Object) -> JSON:
    """Route fields for the header modifier filters."""
    fields: JSON = {}
    for item in rule.get("filters") or ():
        for kind, prefix in (("requestHeaderModifier", "request"), ("responseHeaderModifier", "response")):
            change = item.get(kind)
            if not change:
                continue
            added = [(header, "OVERWRITE_IF_EXISTS_OR_ADD") for header in change.get("set") or ()]
            added += [(header, "APPEND_IF_EXISTS_OR_ADD") for header in change.get("add") or ()]
            added = [(header, action) for header, action in added if not is_host(header["name"])]
            if added:
                fields[f"{prefix}_headers_to_add"] = [
                    {
                        "header": {"key": header["name"], "value": header["value"].replace("%", "%%")},
                        "append_action": action,
                    }
                    for header, action in added
                ]
            removed = [name for name in change.get("remove") or () if not is_host(name)]
            if removed:
                fields[f"{prefix}_headers_to_remove"] = removed
    return fields


def redirect(rule: Object) -> JSON | None:
    """The redirect of a rule, if it has one."""
    for item in rule.get("filters") or ():
        wish = item.get("requestRedirect")
        if wish is None:
            continue
        codes = {
            301: "MOVED_PERMANENTLY",
            302: "FOUND",
            303: "SEE_OTHER",
            307: "TEMPORARY_REDIRECT",
            308: "PERMANENT_REDIRECT",
        }
        answer: JSON = {"response_code": codes[int(wish.get("statusCode") or 302)]}
        path = wish.get("path") or {}
        fields = {
            "scheme_redirect": wish.get("scheme"),
            "host_redirect": wish.get("hostname"),
            "port_redirect": wish.get("port"),
            "path_redirect": path.get("replaceFullPath"),
            "prefix_rewrite": path.get("replacePrefixMatch"),
        }
        return answer | {name: value for name, value in fields.items() if value}
    return None
