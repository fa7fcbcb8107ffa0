"""Realms on disk, so that an issuer which is started again has the keys that it signed with. They are private: mode 0600."""

from pathlib import Path
from typing import Any, Self

from joserfc.jwk import ECKey, RSAKey
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.simulator.issuer.realm import Algorithm, Key, Realm, Realms, User


class StorageError(ValueError):
    """The file is not one of ours; the text says where."""


class SavedUser(BaseModel):
    """Somebody who can log in."""

    model_config = ConfigDict(extra="forbid")
    password: str
    groups: tuple[str, ...]


class SavedRealm(BaseModel):
    """One realm; `keys` are JSON Web Keys with their private parts."""

    model_config = ConfigDict(extra="forbid")
    name: str
    algorithm: Algorithm
    available: bool
    signing: str
    keys: list[dict[str, Any]]
    users: dict[str, SavedUser]
    clients: dict[str, str]

    @classmethod
    def of(cls, realm: Realm) -> Self:
        """From a realm."""
        return cls(
            name=realm.name,
            algorithm=realm.algorithm,
            available=realm.available,
            signing=realm.signing,
            keys=[dict(key.as_dict(private=True)) for key in realm.keys],
            users={name: SavedUser(password=user.password, groups=user.groups) for name, user in realm.users.items()},
            clients=dict(realm.clients),
        )

    def restored(self, url: str) -> Realm:
        """The realm as it was, at a URL."""
        return Realm(
            self.name,
            url,
            self.algorithm,
            self.available,
            users={name: User(user.password, user.groups) for name, user in self.users.items()},
            clients=dict(self.clients),
            keys=[imported(key) for key in self.keys],
            signing=self.signing,
        )


class Saved(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")
    realms: list[SavedRealm]


def imported(key: dict[str, Any]) -> Key:
    """A private key."""
    return RSAKey.import_key(key) if key.get("kty") == "RSA" else ECKey.import_key(key)


def load(path: Path, realms: Realms) -> None:
    """Give `realms` what was saved; nothing when nothing was. Raises StorageError."""
    try:
        saved = Saved.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise StorageError(
            f"{path} holds no realms of an issuer: {where}: {first['msg']}; remove it to begin anew"
        ) from error
    for realm in saved.realms:
        realms.put(realm.restored(realms.url_of(realm.name)))


def save(path: Path, realms: Realms) -> None:
    """Write all realms, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(Saved(realms=[SavedRealm.of(realm) for realm in realms]).model_dump_json(), encoding="utf-8")
    temporary.replace(path)
