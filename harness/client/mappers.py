"""Protocol mappers of a Keycloak: what its tokens say, as members of a client's representation."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def mapper(name: str, kind: str, **config: str) -> dict[str, Any]:
    """A protocol mapper that writes into access tokens. Members of `config` are Keycloak's with `_` for `.`."""
    settings = {key.replace("_", "."): value for key, value in config.items()}
    return {
        "name": name,
        "protocol": "openid-connect",
        "protocolMapper": kind,
        "config": {"access.token.claim": "true", **settings},
    }


def group_mapper() -> dict[str, Any]:
    """The claim `groups`, by bare names: with paths, every group would begin with a slash that no subscription names."""
    return mapper("groups", "oidc-group-membership-mapper", claim_name="groups", full_path="false")


def audience_mapper(audience: str) -> dict[str, Any]:
    """Another `aud`, beside those that follow from roles."""
    return mapper(f"audience-{audience}", "oidc-audience-mapper", included_custom_audience=audience)


def claim_mapper(name: str, value: Any) -> dict[str, Any]:
    """A claim that is always the same: text as it is, anything else as JSON."""
    text, label = (value, "String") if isinstance(value, str) else (json.dumps(value), "JSON")
    return mapper(name, "oidc-hardcoded-claim-mapper", claim_name=name, claim_value=text, jsonType_label=label)


def claim_mappers(claims: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A mapper for each claim that is not None; several audiences are a mapper each, for Keycloak takes a list there for a text."""
    for name, value in claims.items():
        if name == "aud" and isinstance(value, list):
            yield from map(audience_mapper, value)
        elif value is not None:
            yield claim_mapper(name, value)
