"""An HTTP client for whatever API server a kubeconfig names: the suite speaks the wire's language, so that no client library hides a fault."""

import base64
import ssl
from pathlib import Path

import httpx
import yaml


def connect(kubeconfig: Path) -> httpx.Client:
    """A client with the first cluster's address and CA and the first user's credentials; nothing is read from the environment."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context()
    if "certificate-authority-data" in cluster:
        context.load_verify_locations(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    elif "certificate-authority" in cluster:
        context.load_verify_locations(cafile=kubeconfig.parent / cluster["certificate-authority"])
    _present(context, user, kubeconfig.parent)
    name = cluster.get("tls-server-name")

    def call_by_name(request: httpx.Request) -> None:
        if name is not None:
            request.extensions["sni_hostname"] = name

    return httpx.Client(
        base_url=cluster["server"],
        verify=context,
        headers={"Authorization": f"Bearer {user['token']}"} if "token" in user else {},
        trust_env=False,
        timeout=30,
        event_hooks={"request": [call_by_name]},
    )


def _present(context: ssl.SSLContext, user: dict[str, str], folder: Path) -> None:
    """Load a client certificate, from a file or from the kubeconfig itself (which OpenSSL reads only from files)."""
    if "client-certificate" in user:
        context.load_cert_chain(folder / user["client-certificate"], folder / user["client-key"])
    elif "client-certificate-data" in user:
        pair = folder / "client.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        context.load_cert_chain(pair)
