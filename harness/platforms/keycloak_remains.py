"""What runs left in a Keycloak, found by its marks alone: whatever a run made says whose it is, and since when."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.client.keycloak import MADE, MADE_AS, Keycloak
from harness.platforms.keycloak import Mark


@dataclass(frozen=True, slots=True)
class Remnant:
    """One thing that a run made; `mark` is the text that says so, `name` what a person sees in the console."""

    kind: str
    name: str
    mark: str
    forget: Callable[[], None]

    def __str__(self) -> str:
        mark = Mark.of(self.mark)
        return f"{self.kind} {self.name}" + (f" of run {mark.run_id}" if mark and self.name != self.mark else "")


def left_behind(
    keycloak: Keycloak, trusted: str, *, run_id: str | None = None, older_than_s: float = 0.0
) -> Sequence[Remnant]:
    """What this run (or any) made at least so long ago: in the realm that a tenant trusts, and realms of its own.

    Raises KeycloakError.
    """
    return [entry for entry in _marked(keycloak, trusted) if _chosen(Mark.of(entry.mark), run_id, older_than_s)]


def sweep(
    keycloak: Keycloak, trusted: str, *, run_id: str | None = None, older_than_s: float = 0.0
) -> Sequence[Remnant]:
    """Remove what `left_behind` finds, and return it. Raises KeycloakError."""
    found = left_behind(keycloak, trusted, run_id=run_id, older_than_s=older_than_s)
    for entry in found:
        entry.forget()
    return found


def _chosen(mark: Mark | None, run_id: str | None, older_than_s: float) -> bool:
    if mark is None or (run_id is not None and mark.run_id != run_id):
        return False
    return time.time() - mark.made_at >= older_than_s


def _marked(keycloak: Keycloak, trusted: str) -> Iterator[Remnant]:
    """All that begins as our names do; somebody else's things may, so the mark decides."""
    realm = keycloak.realm(trusted)
    yield from _remnants(
        "user", realm.forget_user, ((u["id"], u["username"], u["email"]) for u in realm.users_by_address(MADE))
    )
    groups = ((g["id"], g["name"], g["attributes"][MADE_AS][0]) for g in realm.groups_made())
    yield from _remnants("group", realm.forget_group, groups)
    clients = ((c["id"], c["clientId"], c["clientId"]) for c in realm.clients(MADE))
    yield from _remnants("client", realm.forget_client, clients)
    providers = ((p["id"], p["name"], p["name"]) for p in realm.providers())
    yield from _remnants("key provider", realm.forget_provider, providers)
    names = [str(entry["realm"]) for entry in keycloak.realms()]
    yield from _remnants("realm", lambda name: keycloak.realm(name).remove(), ((name, name, name) for name in names))


def _remnants(kind: str, forget: Callable[[str], None], found: Iterable[tuple[str, str, str]]) -> Iterator[Remnant]:
    """One for each identifier, name and mark."""
    for identifier, name, mark in found:
        yield Remnant(kind, name, mark, _bound(forget, identifier))


def _bound(forget: Callable[[str], None], identifier: str) -> Callable[[], None]:
    return lambda: forget(identifier)
