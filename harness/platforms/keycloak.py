"""A Keycloak whose realm the default tenant trusts, as the Platform carries it: plain data."""

import re
import time
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field

from harness.client.keycloak import MADE, Keycloak
from harness.client.secret import Secret, SecretField

CLIENT: Final = "maas"
"""The client that a tenant trusts unless somebody says otherwise."""
RUN_ID: Final = r"[0-9a-f]{8,32}"
_MARKED: Final = re.compile(rf"{MADE}(?P<run>{RUN_ID})-(?P<made_at>[0-9]{{10}})-")


class Mark(BaseModel):
    """Whose something in a Keycloak is, and since when, as its name says it: keys have nothing else that could."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    run_id: str = Field(pattern=rf"^{RUN_ID}$")
    made_at: int = Field(description="Unix seconds")

    @classmethod
    def of(cls, name: str) -> Self | None:
        """What a name says; None where no run made it."""
        found = _MARKED.match(name)
        return cls(run_id=found["run"], made_at=int(found["made_at"])) if found else None


class TrustedKeycloak(BaseModel):
    """The realm that the default tenant trusts, and who administers it for us."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: str = Field(description="the server, without /realms")
    realm: str
    client: str = Field(CLIENT, description="the tenant's client; people log in through it")
    client_secret: SecretField | None = None
    ca_file: Path | None = None
    admin_client: str
    admin_secret: SecretField
    admin_realm: str = "master"
    run_id: str = Field(
        pattern=rf"^{RUN_ID}$", description="whose all is that is made there while the platform is open"
    )

    @property
    def issuer(self) -> str:
        """The `iss` of the realm's tokens."""
        return f"{self.url}/realms/{self.realm}"

    def named(self, purpose: str = "") -> str:
        """A name from which `Mark.of` reads whose it is and that it was made now."""
        return f"{MADE}{self.run_id}-{int(time.time())}-{purpose}"

    def connected(self) -> Keycloak:
        """A connection of its own. Raises OSError for a CA file that cannot be read."""
        return Keycloak(self.url, self.admin_client, self.admin_secret, realm=self.admin_realm, ca_file=self.ca_file)

    def form_of(self, username: str, password: Secret) -> dict[str, str]:
        """The form of somebody's login through the tenant's client."""
        named = {"client_id": self.client, "username": username, "password": password.reveal()}
        secret = {"client_secret": self.client_secret.reveal()} if self.client_secret else {}
        return {"grant_type": "password", **named, **secret}
