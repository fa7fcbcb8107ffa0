"""What is to be diagnosed: a model, and where given a caller; with what the steps found out so far."""

import difflib
from dataclasses import dataclass, field
from pathlib import Path

from harness.client.exchange import Exchange
from harness.client.measuring import Call, MeasuringClient
from harness.client.secret import Secret
from harness.diagnosis.sight import Sight, called, identity
from harness.kube.manifest import Manifest
from harness.outcome import UsageFault
from harness.platforms.platform import Endpoints

_BACKENDS = ("LLMInferenceService", "ExternalModel")


@dataclass(frozen=True, slots=True)
class Question:
    """As the person asked it. `user` and `groups` are those of the caller; `credential` is their API key or token."""

    model: str
    user: str | None = None
    groups: tuple[str, ...] = ()
    subscription: str | None = None
    credential: Secret | None = None

    @property
    def is_key(self) -> bool:
        """Whether the credential is an API key rather than a token."""
        return self.credential is not None and self.credential.reveal().startswith("sk-oai-")


@dataclass(slots=True)
class Case:
    """The question, what can be seen, and the model that is meant: `backend` serves it, `reference` registers it; one may be missing."""

    question: Question
    sight: Sight
    endpoints: Endpoints | None
    ca_file: Path | None
    backend: Manifest | None = None
    reference: Manifest | None = None
    user: str | None = None
    groups: tuple[str, ...] = ()
    bound: str | None = None
    """The subscription that the API key is bound to, as far as it can be seen."""
    chosen: Manifest | None = field(default=None)
    """The subscription that pays."""

    def find(self) -> None:
        """Look the model up by whatever name it was given. Raises UsageFault when several models have that name."""
        wanted = self.question.model
        references = self.sight.having("MaaSModelRef", lambda item: wanted in _names_of_reference(item))
        backends = [item for kind in _BACKENDS for item in self.sight.seen(kind) if wanted in _names_of(item)]
        if len(references) > 1 or (not references and len(backends) > 1):
            those = ", ".join("/".join(identity(item)) for item in references or backends)
            raise UsageFault(f"several models are called {wanted}: {those}; give NAMESPACE/NAME")
        if references:
            self.reference = references[0]
            target = self.reference["spec"].get("modelRef") or {}
            self.backend = self.sight.one(str(target.get("kind")), identity(self.reference)[0], str(target.get("name")))
        elif backends:
            self.backend = backends[0]
            place, name = identity(self.backend)
            found = self.sight.having("MaaSModelRef", lambda item: _target(item) == (place, self.backend_kind, name))
            self.reference = found[0] if found else None

    @property
    def backend_kind(self) -> str:
        """The kind of what serves the model."""
        if self.backend is not None:
            return str(self.backend["kind"])
        return str(((self.reference or {}).get("spec") or {}).get("modelRef", {}).get("kind", "LLMInferenceService"))

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name under which the model is called: those of its backend."""
        if self.backend is not None:
            return identity(self.backend)
        assert self.reference is not None, "a case without a model ends at its first step"
        return identity(self.reference)[0], str(self.reference["spec"]["modelRef"]["name"])

    def near(self) -> list[str]:
        """Names of models that resemble the one that was asked for."""
        known = [
            name
            for kind in ("MaaSModelRef", *_BACKENDS)
            for item in self.sight.seen(kind)
            for name in (identity(item)[1],)
        ]
        return difflib.get_close_matches(self.question.model.rpartition("/")[2], sorted(set(known)), n=3, cutoff=0.4)

    def ask(self, path: str, *, method: str = "GET", json: object = None, management: bool = False) -> Exchange | None:
        """One request with the caller's credential; None where no gateway's URL is known. Only lists are asked for, which cost no quota."""
        if self.endpoints is None:
            return None
        base = self.endpoints.management if management else self.endpoints.gateway
        headers = {"X-MaaS-Subscription": self.question.subscription} if self.question.subscription else {}
        client = MeasuringClient(ca_file=self.ca_file, timeout_s=10)
        try:
            return client.send(
                Call(method, f"{base}{path}", credential=self.question.credential, json=json, headers=headers)
            )
        finally:
            client.close()

    @property
    def who(self) -> str:
        """The caller in words."""
        return f"{self.user} (groups {', '.join(self.groups) or 'none'})"


def names_somebody(people: Manifest, case: Case) -> bool:
    """Whether `owner` or `subjects` names the caller or one of their groups."""
    groups = {str(group.get("name")) for group in people.get("groups") or ()}
    return case.user in (people.get("users") or ()) or bool(groups & set(case.groups))


def model_words(case: Case) -> str:
    """What was found under the name."""
    return " registered by ".join(called(item) for item in (case.backend, case.reference) if item is not None)


def _target(reference: Manifest) -> tuple[str, str, str]:
    target = reference["spec"].get("modelRef") or {}
    return identity(reference)[0], str(target.get("kind")), str(target.get("name"))


def _names_of_reference(item: Manifest) -> set[str]:
    namespace, name = identity(item)
    alias = str((item.get("status") or {}).get("resolvedModelAlias") or "")
    return {name, f"{namespace}/{name}", alias} - {""}


def _names_of(item: Manifest) -> set[str]:
    namespace, name = identity(item)
    served = (
        str((item["spec"].get("model") or {}).get("name") or "") if isinstance(item["spec"].get("model"), dict) else ""
    )
    return {name, f"{namespace}/{name}"} | ({served, f"publishers/{namespace}/models/{served}"} if served else set())
