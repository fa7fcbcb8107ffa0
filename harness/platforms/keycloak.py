"""A Keycloak whose realm the default tenant trusts, as the Platform carries it: plain data."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from harness.client.keycloak import Keycloak
from harness.client.secret import Secret, SecretField

CLIENT: Final = "maas"
"""The client that a tenant trusts unless somebody says otherwise."""


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
    mark: str = Field(description="what the names begin with of all that this run makes there")

    @property
    def issuer(self) -> str:
        """The `iss` of the realm's tokens."""
        return f"{self.url}/realms/{self.realm}"

    def connected(self) -> Keycloak:
        """A connection of its own. Raises OSError for a CA file that cannot be read."""
        return Keycloak(self.url, self.admin_client, self.admin_secret, realm=self.admin_realm, ca_file=self.ca_file)

    def form_of(self, username: str, password: Secret) -> dict[str, str]:
        """The form of somebody's login through the tenant's client."""
        named = {"client_id": self.client, "username": username, "password": password.reveal()}
        secret = {"client_secret": self.client_secret.reveal()} if self.client_secret else {}
        return {"grant_type": "password", **named, **secret}
