"""Who pays for tokens: the key under which all three books are kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Account:
    """One counter of the platform: a user's budget of one subscription for one model.

    `user` is the Kubernetes username, `subscription` the bare name, `model` the name that responses carry.
    """

    user: str
    subscription: str
    model: str

    def __str__(self) -> str:
        return f"user {self.user}, subscription {self.subscription}, model {self.model}"
