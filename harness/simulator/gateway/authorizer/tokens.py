"""Kubernetes tokens, by TokenReview with the platform's audience."""

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.models.authentication_v1 import TokenReviewSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.authentication_v1 import TokenReview

from harness.simulator.gateway.authorizer.credentials import with_authenticated
from harness.simulator.gateway.authorizer.decision import Identity, UnavailableError


class ClusterTokens:
    """Asks the API server about every token that is not remembered."""

    def __init__(self, client: AsyncClient, audience: str) -> None:
        self._client = client
        self._audience = audience

    async def review(self, token: str) -> Identity | None:
        """See TokenReviewer."""
        question = TokenReview(metadata=ObjectMeta(), spec=TokenReviewSpec(token=token, audiences=[self._audience]))
        try:
            answer = await self._client.create(question)
        except ApiError as error:
            raise UnavailableError(f"the API server answered TokenReview with {error.status.code}") from error
        except (httpx2.HTTPError, OSError) as error:
            raise UnavailableError(f"the API server did not answer TokenReview: {type(error).__name__}") from error
        status = answer.status
        if status is None or not status.authenticated or status.user is None or not status.user.username:
            return None
        if self._audience not in (status.audiences or []):
            return None
        return Identity(status.user.username, with_authenticated(tuple(status.user.groups or ())))
