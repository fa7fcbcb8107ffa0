"""The HTTP filter chains: a governed gateway authenticates, checks, forces and counts; a standard one routes.

Order on the request path: read the body's model and stream (which makes Envoy choose the route anew), authorize, check the quota,
force usage reporting, route. The response runs back the same way, so usage is known before the stream ends and the report is sent.
"""

from dataclasses import dataclass
from typing import Final

from harness.simulator.gateway.caller import FIELD, NOBODY
from harness.simulator.gateway.envoy_config.bootstrap import AUTHORIZER, LIMITER
from harness.simulator.gateway.envoy_config.scripts import script
from harness.simulator.gateway.envoy_config.typed import JSON, http_filter, typed

JSON_TO_METADATA, EXT_AUTHZ = "envoy.filters.http.json_to_metadata", "envoy.filters.http.ext_authz"
RATE_LIMIT, LUA, ROUTER = "envoy.filters.http.ratelimit", "envoy.filters.http.lua", "envoy.filters.http.router"
REQUEST, USAGE = "maas.req", "maas.usage"
EXTENSION = "envoy.extensions.filters.http."
REQUEST_ID = "x-request-id"
SCRIPTED: Final = ("/v1/messages", "responses", "%")
"""What paths hold that the script has to see: Anthropic's usage states no total, kept responses are refused, escapes may hide both."""


@dataclass(frozen=True, slots=True)
class Guarding:
    """How a governed gateway asks: `reserving` where the limiter holds tokens for running requests, and how many seconds a request waits
    for a service that answers nothing before it is refused."""

    reserving: bool = False
    authorizer_s: float = 2.0
    limiter_s: float = 1.0


USUAL: Final = Guarding()


def rule(path: tuple[str, ...], namespace: str, key: str, kind: str) -> JSON:
    """Copy one JSON field into dynamic metadata."""
    present = {"metadata_namespace": namespace, "key": key, "type": kind, "preserve_existing_metadata_value": False}
    return {"selectors": [{"key": step} for step in path], "on_present": present}


def json_to_metadata(*, reserving: bool) -> JSON:
    """Requests of any content type are read, so that a mislabelled streaming call cannot escape its charge.

    One that cannot be read here (a number beyond every range will do) counts as streaming: a model server may read it all the same.
    """
    unreadable = {"metadata_namespace": REQUEST, "key": "stream", "value": True}
    maxima = ("max_completion_tokens", "max_tokens") if reserving else ()
    usage = [
        rule(("usage", name), USAGE, name, "NUMBER") for name in ("total_tokens", "prompt_tokens", "completion_tokens")
    ]
    return http_filter(
        JSON_TO_METADATA,
        EXTENSION + "json_to_metadata.v3.JsonToMetadata",
        request_rules={
            "allow_content_types_regex": {"regex": ".*"},
            "allow_empty_content_type": True,
            "rules": [
                rule(("model",), REQUEST, "model", "STRING"),
                rule(("stream",), REQUEST, "stream", "PROTOBUF_VALUE") | {"on_error": unreadable},
                *(rule((name,), REQUEST, "max_tokens", "STRING") for name in maxima),
            ],
        },
        response_rules={"allow_content_types": ["application/json"], "rules": usage},
    )


def ext_authz(guarding: Guarding) -> JSON:
    """No answer from the authorizer is an internal error, as on the stack this stands for."""
    patterns = [
        {"exact": "authorization"},
        {"exact": "x-api-key"},
        {"prefix": "x-maas-"},
        {"exact": "x-gateway-model-name"},
        {"exact": REQUEST_ID},
    ]
    return http_filter(
        EXT_AUTHZ,
        EXTENSION + "ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        failure_mode_allow=False,
        status_on_error={"code": "InternalServerError"},
        metadata_context_namespaces=[REQUEST],
        allowed_headers={"patterns": [{**pattern, "ignore_case": True} for pattern in patterns]},
        grpc_service={"envoy_grpc": {"cluster_name": AUTHORIZER}, "timeout": f"{guarding.authorizer_s:g}s"},
    )


def metadata_entry(key: str, namespace: str, field: str) -> JSON:
    """One entry of a descriptor, left out where the metadata is absent."""
    return {
        "metadata": {
            "descriptor_key": key,
            "source": "DYNAMIC",
            "skip_if_absent": True,
            "metadata_key": {"key": namespace, "path": [{"key": field}]},
        }
    }


def descriptor(phase: str) -> JSON:
    """The entry that says who calls. Where the authorizer was not asked it says nobody: without an entry the limiter would not be asked."""
    entry = metadata_entry(phase, EXT_AUTHZ, FIELD)
    entry["metadata"] |= {"skip_if_absent": False, "default_value": NOBODY}
    return entry


def hold(phase: str) -> list[JSON]:
    """The entries of the reservation model: which request, and how much it may generate."""
    header = {"header_name": "x-request-id", "descriptor_key": "request.id", "skip_if_absent": True}
    most = [metadata_entry("request.max_tokens", REQUEST, "max_tokens")] if phase == "check" else []
    return [{"request_headers": header}, *most]


def rate_limit(guarding: Guarding) -> JSON:
    """Check before the backend, report when the stream is done. `rate_limits` sits in the filter: in a route `hits_addend` is ignored."""
    check = [descriptor("check"), *(hold("check") if guarding.reserving else [])]
    phase = {"generic_key": {"descriptor_key": "release", "descriptor_value": "stream"}}
    release = {"actions": [phase, *hold("release")], "hits_addend": {"number": 0}, "apply_on_stream_done": True}
    return http_filter(
        RATE_LIMIT,
        EXTENSION + "ratelimit.v3.RateLimit",
        domain="unrouted",
        failure_mode_deny=True,
        status_on_error={"code": "InternalServerError"},
        timeout=f"{guarding.limiter_s:g}s",
        disable_x_envoy_ratelimited_header=True,
        rate_limit_service={
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": LIMITER}},
        },
        rate_limits=[
            {"actions": check, "hits_addend": {"number": 0}},
            {
                "actions": [descriptor("report")],
                "hits_addend": {"format": f"%DYNAMIC_METADATA({USAGE}:total_tokens)%"},
                "apply_on_stream_done": True,
            },
            *([release] if guarding.reserving else []),
        ],
    )


def lua() -> JSON:
    """Usage of streams and of messages (usage.lua), and no kept responses (kept.lua). Skipped for all others: running a script costs a
    fifth of the whole path.

    A call streams when `stream` is anything but absent, null or false, because lenient servers stream for 1 and "true" too.
    """
    usage = http_filter(LUA, EXTENSION + "lua.v3.Lua", default_source_code={"inline_string": usage_script()})
    no = {"or_match": {"value_matchers": [{"bool_match": False}, {"null_match": {}}]}}
    streams = {"and_matcher": {"predicate": [stream_is({"present_match": True}), stream_is(no, invert=True)]}}
    skip = {"name": "skip", "typed_config": typed("envoy.extensions.filters.common.matcher.action.v3.SkipFilter")}
    read = {"or_matcher": {"predicate": [streams, *map(path_has, SCRIPTED)]}}
    matchers = [{"predicate": {"not_matcher": read}, "on_match": {"action": skip}}]
    return http_filter(
        LUA,
        "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config=usage,
        xds_matcher={"matcher_list": {"matchers": matchers}},
    )


def usage_script() -> str:
    """The text that Envoy runs."""
    return script("usage")


def path_has(text: str) -> JSON:
    """A predicate over the path and its query. The script looks closer; a pattern would cost every request."""
    path = typed("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=":path")
    return {"single_predicate": {"input": {"name": "path", "typed_config": path}, "value_match": {"contains": text}}}


def stream_is(value: JSON, *, invert: bool = False) -> JSON:
    """A predicate over the body's `stream`."""
    field = typed(
        "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput",
        filter=REQUEST,
        path=[{"key": "stream"}],
    )
    matcher = typed("envoy.extensions.matching.input_matchers.metadata.v3.Metadata", value=value, invert=invert)
    return {
        "single_predicate": {
            "input": {"name": "stream", "typed_config": field},
            "custom_match": {"name": "envoy.matching.matchers.metadata_matcher", "typed_config": matcher},
        }
    }


def router() -> JSON:
    """The last filter."""
    return http_filter(ROUTER, EXTENSION + "router.v3.Router")


def governed(guarding: Guarding = USUAL) -> list[JSON]:
    """The chain of a gateway that MaaS governs."""
    metadata = json_to_metadata(reserving=guarding.reserving)
    return [metadata, ext_authz(guarding), rate_limit(guarding), lua(), router()]


def standard() -> list[JSON]:
    """The chain of a gateway without MaaS."""
    return [router()]
