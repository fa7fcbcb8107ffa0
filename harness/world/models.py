"""The models of one check: those that the platform serves, and twins of its own with whatever differs about them."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Literal

from harness.engine.failure import NotReady
from harness.platforms.platform import ModelHandle
from harness.world.caller import Wire
from harness.world.estate import WORLD_PREFIX, Estate
from harness.world.force import model_in_force
from harness.world.objects import Objects
from harness.world.twin import PLAIN, Twin, Variant, gateway_refs, handle_of, twin_of


class Models(Objects):
    """Makes models; `name` is in the name of each."""

    def __init__(self, estate: Estate, wire: Wire) -> None:
        super().__init__(estate, f"{WORLD_PREFIX}{secrets.token_hex(4)}")
        self.wire = wire
        self._count = 0

    def model(self, number: int = 0) -> ModelHandle:
        """One of the models that the platform serves from the start, those first that are not open to everybody.

        Raises NotReady when it has fewer.
        """
        models = self.estate.models
        if number >= len(models):
            raise NotReady(f"the check needs {number + 1} governed models; the platform offers {len(models)}")
        return models[number]

    @property
    def original(self) -> ModelHandle:
        """What a model of the check's own is a twin of: the first one of the platform, whosever world this is."""
        return Models.model(self)

    @property
    def gateway_refs(self) -> list[dict[str, str]]:
        """The gateway on which the models of this world hang."""
        return gateway_refs(self.wire.platform.namespaces.gateway)

    def assigned(self, twin: Twin) -> Twin:
        """The same, registered for those to whom this world belongs."""
        return twin

    def ghost(self) -> ModelHandle:
        """A model that does not exist, and never will."""
        return handle_of(self.original.namespace, self.own_name("ghost"))

    def new_model(
        self,
        *,
        gateway: Literal["maas", "unnamed"] | Sequence[Mapping[str, str]] = "maas",
        registered: bool = True,
        governed: bool = True,
        annotations: Mapping[str, str] | None = None,
        variant: Variant = PLAIN,
    ) -> Twin:
        """A model of the check's own, a twin of the platform's first one; `variant` says in what else it differs.

        `gateway` maas opts in, unnamed leaves the reference out, a list of references is taken as it is. `governed` says
        that the check gives it a subscription and a policy, without which a registered model never becomes Ready.
        """
        named = self.gateway_refs if gateway == "maas" else gateway
        twin = twin_of(
            self.estate.cluster,
            self.original,
            self.own_name("m"),
            refs=None if isinstance(named, str) else named,
            registered=registered,
            annotations=annotations,
            variant=variant,
        )
        return self._declared(twin, registered=registered, governed=governed and variant.routed)

    def namesake(self, twin: Twin, namespace: str) -> Twin:
        """A registered model of the same name in another namespace, governed by nobody."""
        other = self.assigned(self._copy(twin.handle.name, Variant(namespace=namespace)))
        self.declare(*other.manifests)
        return other

    def space(self, purpose: str) -> str:
        """A namespace of the check's own."""
        name = f"{self.name}-{purpose}"
        self.declare({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def late_model(self, name: str) -> Twin:
        """A model of the check's own under a name that other objects speak of already."""
        return self._declared(self._copy(name), registered=True, governed=True)

    def _copy(self, name: str, variant: Variant = PLAIN) -> Twin:
        return twin_of(
            self.estate.cluster, self.original, name, refs=self.gateway_refs, registered=True, variant=variant
        )

    def _declared(self, twin: Twin, *, registered: bool, governed: bool) -> Twin:
        own = self.assigned(twin)
        forced = model_in_force(own.handle, own.backend, registered=registered, governed=governed)
        self.declare(*own.manifests, until=forced)
        return own

    def own_name(self, kind: str) -> str:
        """A name for another object of that kind, which no other check uses."""
        self._count += 1
        return f"{self.name}-{kind}{self._count}"
