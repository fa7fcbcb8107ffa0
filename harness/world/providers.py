"""External models of one check, each with a stand-in for its provider."""

from dataclasses import replace

from harness.client.exchange import Exchange
from harness.client.secret import Secret
from harness.engine.failure import NotConformant, NotReady
from harness.kube.apply import apply_manifests
from harness.ledger.journal import Entry, Journals, Mark
from harness.world.books import Books
from harness.world.outside import ExternalModel, Format, StandIn, handle_of, image_of
from harness.world.sandwich import arrivals
from harness.world.world import World

TARGET = "gpt-4o-2024-08-06"
WRONG_KEY = Secret("provider-does-not-take-this-key")


class Providers:
    """Declares what a check needs; all of it is made and awaited with the check's other objects, and removed with them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._count = 0

    def stand_in(self, api: Format = "chat") -> StandIn:
        """A provider's facts, with a key of its own; nothing is made."""
        self._count += 1
        original = self._world.model()
        image = image_of(self._world.estate.cluster, original)
        return StandIn(f"{self._world.name}-provider{self._count}", original.namespace, TARGET, api, image)

    def model(
        self,
        api: Format = "chat",
        *,
        legacy: bool = False,
        governed: bool = True,
        takes: tuple[Secret, ...] = (),
        given: Secret | None = None,
        **reference: str,
    ) -> ExternalModel:
        """A registered model with a provider of its own; `reference` goes into `externalProviderRefs`.

        `takes`: keys that open the provider besides its own. `given`: the key that the platform is given in place of it.
        """
        one = self.stand_in(api)
        made = ExternalModel(
            handle_of(f"{self._world.name}-gpt{self._count}", one.namespace), one, legacy, reference=reference
        )
        objects = (*one.manifests(*takes), one.credential(given), *made.backend(), made.registration())
        self._world.declare(*objects, until=made.in_force(governed=governed))
        return made

    def give(self, model: ExternalModel, key: Secret) -> None:
        """Put another key into the Secret that the platform reads."""
        self._world.settle()
        apply_manifests(self._world.estate.cluster, [model.stand_in.credential(key)], self._world.estate.labels)

    def journals(self) -> Journals:
        """The journals of this check's providers, and the platform's. Raises NotReady where none can be read."""
        found = self._world.journals()
        if found is None:
            raise NotReady("what a provider was sent is known to its journal alone, and none can be read here")
        return found

    def arrived(self) -> list[Entry]:
        """Everything that reached the providers of this check."""
        self._world.settle()
        own = Journals(self._world.estate.servers_of(self._world.name))
        try:
            return own.since(Mark({}))
        finally:
            own.close()

    def arrival(self, exchange: Exchange) -> Entry:
        """The one request that reached a provider for an exchange. Raises NotConformant for none and for several."""
        found = arrivals(self.arrived(), exchange)
        if len(found) != 1:
            raise NotConformant(
                expected="the request arrives once at the provider",
                observed=f"it arrived {len(found)} times, answered with {exchange.status}",
                exchange=exchange,
            )
        return found[0]

    def books(self, books: Books) -> Books:
        """The books from this moment on, with the journals of this check's providers."""
        journals = self.journals()
        return replace(books, journals=journals, mark=journals.mark())
