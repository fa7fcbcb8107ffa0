"""What the authorizer sees of the cluster: whose policy each gateway has, where maas-api answers, what external models speak."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from lightkube import AsyncClient

from harness.simulator.gateway.watch import KINDS, Watch

SYNC_SECONDS: Final = 5.0
AUTH_POLICIES, ENDPOINT_SLICES, EXTERNAL_MODELS = (
    next(kind for kind in KINDS if kind.slot == slot)
    for slot in ("auth_policies", "endpoint_slices", "external_models")
)


class Seen:
    """Three kinds, watched; `moved` is called when a policy or an endpoint has changed."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self.policies = Watch(AUTH_POLICIES, moved)
        self.slices = Watch(ENDPOINT_SLICES, moved)
        self._models = Watch(EXTERNAL_MODELS, lambda: None)

    @contextlib.asynccontextmanager
    async def followed(self, cluster: AsyncClient) -> AsyncIterator[None]:
        """Keep them current for the length of the block, which begins when policies and endpoints are known, or after 5 s."""
        watches = (self._models, self.policies, self.slices)
        following = [asyncio.create_task(watch.run(cluster)) for watch in watches]
        try:
            with contextlib.suppress(TimeoutError):  # without its policies, a gateway is refused until they are known
                synced = asyncio.gather(self.policies.synced.wait(), self.slices.synced.wait())
                await asyncio.wait_for(synced, SYNC_SECONDS)
            yield
        finally:
            for task in following:
                task.cancel()

    def speaks_messages(self) -> bool:
        """Whether some external model takes Anthropic's format, whose clients send their key as `x-api-key`."""
        references = (
            reference
            for model in self._models.objects.values()
            for reference in (model.get("spec") or {}).get("externalProviderRefs") or ()
        )
        return any(reference.get("apiFormat") == "messages" for reference in references)
