"""What the load generator's process needs to know: the profile, the gateway, and who calls with which key.

A file of mode 0600 between two processes, because it holds keys; it goes with the run's private folder.
"""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

from harness.client.secret import SecretField
from harness.ledger.account import Account
from harness.load.profile import Profile
from harness.platforms.platform import ModelHandle


class Member(BaseModel):
    """One identity of the load: its key, and whose account pays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: SecretField
    user: str
    subscription: str
    model: ModelHandle

    @property
    def account(self) -> Account:
        """The account that its calls burn."""
        return Account(self.user, self.subscription, self.model.served_name)


class LoadPlan(BaseModel):
    """A load about to be driven."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: Profile
    gateway: str
    members: tuple[Member, ...]
    result: Path

    def save(self, path: Path) -> None:
        """Write with mode 0600."""
        path.touch(mode=0o600)
        path.write_text(self.model_dump_json(context={"reveal": True}), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls.model_validate_json(path.read_bytes())
