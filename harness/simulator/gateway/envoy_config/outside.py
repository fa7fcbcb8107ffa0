"""Upstreams outside the cluster: what is taken from a request, what is put in, and how the provider is known to be itself.

All of it sits in the upstream's own filter chain, after routing and behind every other filter: ordinary models pay nothing for it, no
route can lead around it, and of two providers of one model each gets its own key, name and path.
"""

import hashlib
import json
import ssl
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import certifi

from harness.simulator.gateway.envoy_config import scripts
from harness.simulator.gateway.envoy_config.typed import JSON, http_filter, typed

EXTENSION = "envoy.extensions.filters.http."
GENERIC = "envoy.extensions.http.injected_credentials.generic.v3.Generic"
TLS_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
CARES = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
CREDENTIALS = ("authorization", "x-api-key", "api-key", "proxy-authorization", "cookie")
PERSONAL = ("x-maas-", "x-envoy-", "x-forwarded-", "x-gateway-model-name", "forwarded", "x-ext-auth-")
"""What says who calls, from where, or how the platform works inside: prefixes of header names."""
ACCOUNT = ("openai-organization", "openai-project", "anthropic-organization-id", "set-cookie")
"""What an answer says of the platform's account with the provider, or would have the caller send there."""
ANTHROPIC_VERSION = "2023-06-01"
Format = Literal["openai", "messages"]


@dataclass(frozen=True, slots=True)
class Credential:
    """Which header carries the key, and under which name Envoy asks for it; the key itself lies in a file of its own."""

    name: str
    header: str


@dataclass(frozen=True, slots=True)
class Target:
    """What one reference of an external model asks for: the provider's own name of the model, its format, and its path if it is unusual.

    `counts_on`: the server states usage in every event when asked to, so an aborted stream is charged for what was generated.
    """

    model: str
    format: Format
    path: str = ""
    counts_on: bool = False


@dataclass(frozen=True, slots=True)
class Outside:
    """A host outside. Without `target` it is a plain host name: credentials are still taken away.

    `authority`: PEM of the CA that signs the host's certificate; empty: the system's.
    """

    host: str
    authority: str = field(default="", repr=False)
    credential: Credential | None = None
    target: Target | None = None


def http_filters(outside: Outside, credentials: Path) -> list[JSON]:
    """The upstream's filter chain; `credentials` is the folder where keys lie."""
    chain = [withheld(outside.target)]
    if outside.target is not None:
        chain.append(
            http_filter("envoy.filters.http.lua", EXTENSION + "lua.v3.Lua", default_source_code=script(outside.target))
        )
    if outside.credential is not None:
        chain.append(injector(outside.credential, credentials))
    codec = EXTENSION + "upstream_codec.v3.UpstreamCodec"
    return [*chain, http_filter("envoy.filters.http.upstream_codec", codec)]


def withheld(target: Target | None) -> JSON:
    """Takes away the caller's credentials and whatever says who calls; states the version of Anthropic's protocol where it is missing."""
    mutations: list[JSON] = [{"remove": name} for name in CREDENTIALS]
    mutations += [{"remove_on_match": {"key_matcher": {"prefix": prefix, "ignore_case": True}}} for prefix in PERSONAL]
    if target is not None and target.format == "messages":
        version = {"key": "anthropic-version", "value": ANTHROPIC_VERSION}
        mutations.append({"append": {"header": version, "append_action": "ADD_IF_ABSENT"}})
    return http_filter(
        "envoy.filters.http.header_mutation",
        EXTENSION + "header_mutation.v3.HeaderMutation",
        mutations={"request_mutations": mutations, "response_mutations": [{"remove": name} for name in ACCOUNT]},
    )


def injector(credential: Credential, folder: Path) -> JSON:
    """Puts the provider's key in. Envoy follows its file, so another key is in force without a new configuration, and no dump shows it."""
    source = {
        "resource_api_version": "V3",
        "path_config_source": {"path": str(folder / credential_file(credential.name))},
    }
    generic = typed(GENERIC, header=credential.header, credential={"name": credential.name, "sds_config": source})
    return http_filter(
        "envoy.filters.http.credential_injector",
        EXTENSION + "credential_injector.v3.CredentialInjector",
        overwrite=True,
        credential={"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
    )


def credential_file(name: str) -> str:
    """The file of one key: by a digest, because the name of a Secret may be as long as that of a file."""
    return f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


def script(target: Target) -> JSON:
    """provider.lua with the target's facts as its first lines."""
    facts = {
        "MODEL": lua_string(json.dumps(target.model)),
        "FORMAT": lua_string(target.format),
        "PATH": lua_string(target.path),
        "COUNTS_ON": "true" if target.counts_on else "false",
    }
    head = "".join(f"local {name} = {value}\n" for name, value in facts.items())
    return {"inline_string": head + scripts.script("provider")}


def lua_string(text: str) -> str:
    """A Lua literal of any text: every byte by its number, so that nothing can end it."""
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


def tls(outside: Outside) -> JSON:
    """TLS with a verified certificate that names the host."""
    authority = {"inline_string": outside.authority} if outside.authority else {"filename": system_authorities()}
    validation = {
        "trusted_ca": authority,
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": outside.host, "ignore_case": True}}],
    }
    return typed(TLS_CONTEXT, sni=outside.host, common_tls_context={"validation_context": validation})


@cache
def system_authorities() -> str:
    """The machine's file of CA certificates, else the one that comes with our HTTP client."""
    return ssl.get_default_verify_paths().cafile or certifi.where()


def resolver() -> JSON:
    """DNS without search domains: a name is what it says, and no name of the cluster."""
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": typed(CARES, dns_resolver_options={"no_default_search_domain": True}),
    }
