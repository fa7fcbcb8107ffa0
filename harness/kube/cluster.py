"""A Kubernetes API, as the harness uses it: plain dictionaries in and out, faults as types.

The official client takes most of a second to import, so it is imported by the first connection and nowhere else.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from harness.kube.fault import Rejected
from harness.kube.manifest import Manifest, Ref
from harness.outcome import EnvironmentFault, UsageFault

FIELD_MANAGER = "maas-conformance"
CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 30.0


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _body(error: Any) -> dict[str, Any]:
    try:
        parsed = json.loads(error.body or "{}")
    except (TypeError, ValueError):
        parsed = {}
    return parsed if isinstance(parsed, dict) else {"message": str(parsed)}


def _configuration(kubeconfig: Path, context: str | None) -> Any:
    from kubernetes.client import Configuration
    from kubernetes.config import kube_config

    load: Any = kube_config.load_kube_config
    configuration = Configuration()
    try:
        text = kubeconfig.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageFault(f"cannot read the kubeconfig {kubeconfig}: {reason}") from error
    if "clusters" not in text:
        raise UsageFault(f"{kubeconfig} is not a kubeconfig: it names no clusters")
    try:
        load(str(kubeconfig), context=context, client_configuration=configuration, persist_config=False)
    except Exception as error:  # YAML, base64, key and type errors alike: to the person they are one thing
        reason = " ".join(str(error).split())
        raise UsageFault(f"{kubeconfig} is not a usable kubeconfig: {type(error).__name__}: {reason}") from error
    return configuration


class Cluster:
    """One API server with one identity; safe to share between threads."""

    def __init__(self, api_client: Any, source: str) -> None:
        from kubernetes.dynamic import DynamicClient

        from harness.kube.discovery import MemoryDiscoverer

        self.source = source
        self.host: str = api_client.configuration.host
        self._lock = threading.Lock()
        self._api_client = api_client
        self._dynamic: Any = self._call("discover its resources", DynamicClient, api_client, None, MemoryDiscoverer)

    @staticmethod
    def preload() -> None:
        """Import the client now rather than with the first connection: for a thread that has nothing better to do."""
        import kubernetes.dynamic  # noqa: F401

    @classmethod
    def connect(cls, kubeconfig: Path, *, context: str | None = None) -> Self:
        """Read a kubeconfig and discover the server's resources.

        Raises UsageFault when the file cannot be used, EnvironmentFault when its server does not answer.
        """
        from kubernetes.client import ApiClient

        configuration = _configuration(kubeconfig, context)
        if _is_loopback(configuration.host):
            configuration.proxy = None  # a proxy of the environment cannot reach this machine's loopback
        return cls(ApiClient(configuration), str(kubeconfig))

    def close(self) -> None:
        """Close idle connections: a server that shuts down waits for the peers of its TLS connections."""
        self._api_client.rest_client.pool_manager.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, what: str, function: Any, *arguments: Any, **options: Any) -> Any:
        from kubernetes.client.exceptions import ApiException
        from kubernetes.dynamic.exceptions import ResourceNotFoundError
        from urllib3.exceptions import HTTPError

        try:
            return function(*arguments, **options)
        except ApiException as error:
            raise Rejected(what, int(error.status or 0), _body(error)) from error
        except ResourceNotFoundError as error:
            raise Rejected(
                what, 404, {"reason": "NotFound", "message": "the server does not have that kind"}
            ) from error
        except HTTPError as error:
            raise EnvironmentFault(
                f"the Kubernetes API {self.host} (from {self.source}) does not answer while asked to {what}: {type(error).__name__}"
            ) from error

    def _resource(self, api_version: str, kind: str) -> Any:
        with self._lock:
            return self._call(
                f"find the kind {kind} of {api_version}",
                self._dynamic.resources.get,
                prefix="apis"
                if "/" in api_version
                else "api",  # else the core group's kinds are looked for in every group
                api_version=api_version,
                kind=kind,
            )

    def _request(self, what: str, method: str, ref: Ref, subresource: str = "", **options: Any) -> Manifest:
        resource = self._resource(ref.api_version, ref.kind)
        path = _path(resource, ref)
        options.setdefault("_request_timeout", (CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S))
        result = self._call(
            what, self._dynamic.request, method, path + subresource, serializer=lambda _, body: body, **options
        )
        return result if isinstance(result, dict) else {}

    def knows(self, api_version: str, kind: str) -> bool:
        """Whether the server has that kind."""
        try:
            self._resource(api_version, kind)
        except Rejected as error:
            if error.status == 404:
                return False
            raise
        return True

    def version(self) -> str:
        """The server's gitVersion, e.g. v1.34.0."""
        answer = self._call(
            "tell its version", self._dynamic.request, "get", "/version", serializer=lambda _, body: body
        )
        return str(answer["gitVersion"])

    def get(self, ref: Ref) -> Manifest | None:
        """The object, or None when it does not exist (or its kind does not)."""
        try:
            return self._request(f"get {ref}", "get", ref)
        except Rejected as error:
            if error.status == 404:
                return None
            raise

    def objects(
        self, api_version: str, kind: str, *, namespace: str | None = None, labels: str | None = None
    ) -> list[Manifest]:
        """Objects of a kind, in one namespace or in all; apiVersion and kind are filled in, which servers leave out of lists."""
        return self.list_at(api_version, kind, namespace=namespace, labels=labels)[0]

    def list_at(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None = None,
        labels: str | None = None,
        name: str | None = None,
    ) -> tuple[list[Manifest], str]:
        """Objects of a kind (or the one of that name) and the resourceVersion from which a watch continues."""
        ref = Ref(api_version, kind, "", namespace)
        options = {"label_selector": labels} if labels else {}
        options |= {"field_selector": f"metadata.name={name}"} if name else {}
        answer = self._request(f"list {kind}", "get", ref, **options)
        items = [{"apiVersion": api_version, "kind": kind, **item} for item in answer.get("items") or []]
        return items, str(answer.get("metadata", {}).get("resourceVersion", ""))

    def table(self, api_version: str, kind: str, *, namespace: str | None = None) -> Manifest:
        """Objects of a kind as the server prints them for people (`meta.k8s.io/v1` Table), which is what `kubectl get` shows."""
        accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
        ref = Ref(api_version, kind, "", namespace)
        return self._request(f"print {kind}", "get", ref, header_params={"Accept": accept})

    def apply(self, manifest: Mapping[str, Any], *, force: bool = True, dry_run: bool = False) -> Manifest:
        """Server-side apply, as field manager `maas-conformance`; returns what the server stored."""
        ref = Ref.of(manifest)
        options: dict[str, Any] = {"dry_run": "All"} if dry_run else {}
        return self._request(
            f"apply {ref}",
            "patch",
            ref,
            body=dict(manifest),
            content_type="application/apply-patch+yaml",
            field_manager=FIELD_MANAGER,
            force_conflicts=force,
            **options,
        )

    def create(self, manifest: Mapping[str, Any], *, subresource: str = "", dry_run: bool = False) -> Manifest:
        """POST the manifest; with a subresource (`/token`) it is posted below the object that it names."""
        ref = Ref.of(manifest) if "name" in (manifest.get("metadata") or {}) else None
        target = ref if ref and subresource else _collection(manifest)
        options: dict[str, Any] = {"dry_run": "All"} if dry_run else {}
        what = f"create {ref or manifest.get('kind')}"
        return self._request(what, "post", target, subresource, body=dict(manifest), **options)

    def patch(
        self, ref: Ref, patch: Mapping[str, Any] | list[Any], *, subresource: str = "", dry_run: bool = False
    ) -> Manifest:
        """A JSON merge patch for a mapping, a JSON patch for a list of operations."""
        kind = "json-patch" if isinstance(patch, list) else "merge-patch"
        options: dict[str, Any] = {"dry_run": "All"} if dry_run else {}
        return self._request(
            f"patch {ref}", "patch", ref, subresource, body=patch, content_type=f"application/{kind}+json", **options
        )

    def replace(self, manifest: Mapping[str, Any], *, subresource: str = "") -> Manifest:
        """PUT the manifest; with subresource `/status` its status alone."""
        ref = Ref.of(manifest)
        return self._request(f"replace {ref}", "put", ref, subresource, body=dict(manifest))

    def delete(self, ref: Ref, *, grace_s: int | None = None) -> bool:
        """Ask for deletion, dependents in the background; False when there was nothing to delete.

        `grace_s` is what a Pod's processes get to end; None leaves that to the Pod.
        """
        options: dict[str, Any] = {} if grace_s is None else {"grace_period_seconds": grace_s}
        try:
            self._request(f"delete {ref}", "delete", ref, propagation_policy="Background", **options)
        except Rejected as error:
            if error.status == 404:
                return False
            raise
        return True

    def post(self, path: str, body: Mapping[str, Any], *, what: str) -> Manifest:
        """POST to a path of the API, for reviews and requests that are no stored objects."""
        answer = self._call(
            what,
            self._dynamic.request,
            "post",
            path,
            body=dict(body),
            serializer=lambda _, parsed: parsed,
            _request_timeout=(CONNECT_TIMEOUT_S, REQUEST_TIMEOUT_S),
        )
        return dict(answer)

    def watch(
        self,
        api_version: str,
        kind: str,
        *,
        namespace: str | None,
        resource_version: str,
        timeout_s: float,
        name: str | None = None,
    ) -> Iterator[tuple[str, Manifest]]:
        """Events (`ADDED`, `MODIFIED`, `DELETED`, `ERROR`) of a kind, or of the one object of that name.

        They begin after a resourceVersion, and end with the timeout or when the server ends them.
        """
        from urllib3.exceptions import HTTPError

        resource = self._resource(api_version, kind)
        response = self._call(
            f"watch {kind}",
            self._dynamic.request,
            "get",
            resource.path(namespace=namespace),
            field_selector=f"metadata.name={name}" if name else None,
            serialize=False,
            watch="true",
            resource_version=resource_version,
            timeout_seconds=max(1, int(timeout_s + 0.999)),
            _request_timeout=(CONNECT_TIMEOUT_S, max(0.1, timeout_s)),
        )
        pending = b""
        try:
            for block in response.stream(65536, decode_content=True):
                *lines, pending = (pending + block).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    yield str(event["type"]), event["object"]
        except HTTPError:
            return  # the read timed out or the server went away: the caller lists again, and that says what is wrong
        finally:
            response.close()
            response.release_conn()


def _collection(manifest: Mapping[str, Any]) -> Ref:
    return Ref(manifest["apiVersion"], manifest["kind"], "", (manifest.get("metadata") or {}).get("namespace"))


def _path(resource: Any, ref: Ref) -> str:
    if not ref.name:
        return str(resource.path(namespace=ref.namespace))
    # as kubectl does, an object of a namespaced kind that names none lives in `default`
    return str(resource.path(name=ref.name, namespace=ref.namespace or ("default" if resource.namespaced else None)))
