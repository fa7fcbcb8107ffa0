"""Mishaps of a model server: what the platform makes of a backend that fails, falls silent or miscounts."""

from collections.abc import Mapping


def failing(kind: str, **options: object) -> Mapping[str, str]:
    """Headers of a request that is to meet this fault, as model servers that keep a journal understand them; no other request does."""
    return {"X-Mock-Fault": "; ".join([kind, *(f"{name}={str(value).lower()}" for name, value in options.items())])}
