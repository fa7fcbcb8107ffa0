"""The `endpoint` target: a hosted MaaS of which we have URLs and credentials, and nothing else."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harness.client.secret import Secret, SecretField
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.platform import Credentials, Endpoints, ModelHandle, Need, Parameters, Platform
from harness.platforms.strict_file import read_strict
from harness.platforms.target import Progress, TargetOptions

MOST_EXHAUSTIBLE: Final = 100_000
"""Tokens: more would take a check for minutes, and somebody's money."""
GIVEN: Final[tuple[Need, ...]] = ("tls", "standard-gateway", "metrics", "user-token", "second-caller", "exhaustion")
"""What a person can give by URLs and keys alone."""
NO_KUBERNETES: Final = "a hosted endpoint gives no access to its Kubernetes API"


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL such as https://maas.example.com")
    if parts.username or parts.password:
        raise ValueError("a URL must not carry credentials; put them below `credentials`")
    return text.rstrip("/")


Url = Annotated[str, AfterValidator(_url)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FromEnvironment(_Strict):
    """The credential is in this environment variable."""

    env: str


class FromFile(_Strict):
    """The credential is the text of this file, relative to the environment file."""

    file: Path


Source = FromEnvironment | FromFile | SecretField


class Addresses(_Strict):
    """Where the platform answers."""

    gateway: Url
    management: Url | None = Field(None, description="default: GATEWAY/maas-api")
    standard_gateway: Url | None = None
    metrics: Url | None = None


class CredentialSources(_Strict):
    """What opens it; at least a user token or an API key. The second key is one of another user."""

    admin_token: Source | None = None
    user_token: Source | None = None
    api_key: Source | None = None
    second_api_key: Source | None = None


class Exhaustible(_Strict):
    """A key whose budget a run may spend to its end. To name one is the permission; without it no budget is exhausted.

    Its user should be nobody who works: until the window has passed, their calls are refused.
    """

    api_key: Source
    limit: int = Field(gt=0, le=MOST_EXHAUSTIBLE, description="tokens of one window, for the first model that it lists")


class Environment(_Strict):
    """An environment file."""

    endpoints: Addresses
    credentials: CredentialSources
    exhaustible: Exhaustible | None = None
    ca_file: Path | None = None
    models: tuple[ModelHandle, ...] = Field((), description="empty: as the listing says")
    parameters: Parameters = Parameters()


@contextmanager
def open_platform(options: TargetOptions, progress: Progress) -> Iterator[Platform]:
    """The platform that the environment file describes. Nothing is created, so nothing is removed.

    The model listing is asked once, which costs no quota: it shows that the URL and the credential are right. Raises UsageFault for
    the file, EnvironmentFault when the platform does not answer as one.
    """
    if options.environment is None:
        raise UsageFault(
            "--target endpoint needs --environment FILE (URLs and credentials); fixtures/environments has an example"
        )
    environment = read_strict(options.environment, Environment, "environment file")
    platform = _platform(environment, options.environment.parent)
    listed = _listing(platform)
    progress(f"{platform.endpoints.gateway} answers and lists {len(listed)} models")
    yield platform if platform.models else platform.model_copy(update={"models": listed})


def _platform(environment: Environment, folder: Path) -> Platform:
    addresses, credentials = environment.endpoints, _credentials(environment, folder)
    ca_file = environment.ca_file and (folder / environment.ca_file).absolute()
    if ca_file and not ca_file.is_file():
        raise UsageFault(f"the environment file names the CA {ca_file}, which is no file")
    reasons = _reasons(addresses, credentials)
    return Platform(
        target="endpoint",
        stack="installed",
        endpoints=Endpoints(
            gateway=addresses.gateway,
            management=addresses.management or f"{addresses.gateway}/maas-api",
            standard_gateway=addresses.standard_gateway,
            metrics=addresses.metrics,
        ),
        ca_file=ca_file,
        parameters=environment.parameters,
        models=environment.models,
        credentials=credentials,
        exhaustible_tokens=environment.exhaustible.limit if environment.exhaustible else None,
        provides={need: need not in reasons for need in GIVEN},
        reasons=reasons,
    )


def _credentials(environment: Environment, folder: Path) -> Credentials:
    """Every credential, read from where it lies. Raises UsageFault for too few, or one key twice."""
    sources = environment.credentials
    given = {name: _secret(getattr(sources, name), name, folder) for name in CredentialSources.model_fields}
    if environment.exhaustible:
        given["exhaustible_api_key"] = _secret(environment.exhaustible.api_key, "exhaustible_api_key", folder)
    credentials = Credentials(**given)
    if credentials.user_token is None and credentials.api_key is None:
        raise UsageFault(
            "the environment file gives neither credentials.user_token nor credentials.api_key: one is needed to ask anything"
        )
    keys = [key for key in (credentials.api_key, credentials.second_api_key, credentials.exhaustible_api_key) if key]
    if len(set(keys)) != len(keys):
        raise UsageFault(
            "the environment file gives one key twice: credentials.api_key, credentials.second_api_key and exhaustible.api_key must be "
            "keys of different users"
        )
    return credentials


def _reasons(addresses: Addresses, credentials: Credentials) -> dict[Need, str]:
    """Why a need is not met: what takes a Kubernetes API, and what the environment file leaves out."""
    reasons: dict[Need, str] = {need: NO_KUBERNETES for need in get_args(Need) if need not in GIVEN}
    reasons["any-token"] = reasons["oidc"] = (
        "a hosted platform trusts its own issuers, and none of them signs tokens for a check"
    )
    if not addresses.gateway.startswith("https://"):
        reasons["tls"] = (
            "endpoints.gateway of the environment file is a plain HTTP address, as on development platforms"
        )
    left_out: tuple[tuple[Need, object, str], ...] = (
        ("standard-gateway", addresses.standard_gateway, "names no endpoints.standard_gateway"),
        ("metrics", addresses.metrics, "names no endpoints.metrics"),
        ("user-token", credentials.user_token, "gives no credentials.user_token"),
        ("second-caller", credentials.second_api_key, "gives no credentials.second_api_key"),
        ("second-caller", credentials.api_key, "gives no credentials.api_key"),
        ("exhaustion", credentials.exhaustible_api_key, "allows no budget to be exhausted: it has no `exhaustible`"),
    )
    return reasons | {need: f"the environment file {what}" for need, value, what in left_out if value is None}


def _secret(source: "FromEnvironment | FromFile | Secret | None", name: str, folder: Path) -> Secret | None:
    if source is None or isinstance(source, Secret):
        return source
    if isinstance(source, FromEnvironment):
        text = os.environ.get(source.env)
        if not text:
            raise UsageFault(
                f"credentials.{name} is to come from the environment variable {source.env}, which is not set"
            )
        return Secret(text)
    path = folder / source.file
    try:
        return Secret(path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise UsageFault(f"credentials.{name} is to come from the file {path}: {error.strerror}") from error


def _listing(platform: Platform) -> tuple[ModelHandle, ...]:
    import httpx

    from harness.client.trust import trust

    credential = platform.credentials.api_key or platform.credentials.user_token
    assert credential is not None
    url = f"{platform.endpoints.management}/v1/models"
    try:
        answer = httpx.get(
            url,
            headers={"Authorization": f"Bearer {credential.reveal()}"},
            timeout=platform.parameters.request_timeout_s,
            verify=trust(platform.ca_file),
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise EnvironmentFault(f"the platform does not answer: GET {url}: {type(error).__name__}: {error}") from error
    if answer.status_code != 200:
        raise EnvironmentFault(
            f"GET {url} with the given credential answered {answer.status_code}, expected 200: is the credential valid, and is this a MaaS?"
        )
    try:
        return tuple(_handle(entry) for entry in answer.json()["data"] or [])
    except (ValueError, KeyError, TypeError) as error:
        raise EnvironmentFault(f"GET {url} answered 200, but not with a model list: {answer.text[:200]!r}") from error


def _handle(entry: Mapping[str, Any]) -> ModelHandle:
    """A model as the listing shows it: `owned_by` is `namespace/name`, and the URL's path is where it is served."""
    model_id = str(entry["id"])
    namespace, _, name = str(entry.get("owned_by") or "").partition("/")
    path = urlsplit(str(entry.get("url") or "")).path.rstrip("/").removesuffix("/v1")
    served = model_id.partition("/models/")[2] if model_id.startswith("publishers/") else model_id
    return ModelHandle(
        name=name or model_id,
        namespace=namespace or "default",
        model_id=model_id,
        path=path or f"/{namespace}/{name}",
        served_name=served,
    )
