"""The certificate of the MaaS gateway in a kind cluster, signed here so that this machine knows whom to trust."""

import base64
from dataclasses import dataclass, field
from typing import Final, Self

import trustme

from harness.kube.manifest import Manifest

SECRET: Final = "maas-gateway-tls"  # noqa: S105 - the name of an object
"""What the Gateway of fixtures/cluster names; where nobody puts it, the gateway signs for itself and nobody can tell."""
NAMESPACE: Final = "openshift-ingress"


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM texts: the authority that signed, the chain, and its private key."""

    authority: bytes
    chain: bytes
    key: bytes = field(repr=False)

    @classmethod
    def issued(cls, *hosts: str) -> Self:
        """A new one for these hosts, by an authority that signs nothing else."""
        authority = trustme.CA(organization_name="maas-conformance kind", key_type=trustme.KeyType.ECDSA)
        issued = authority.issue_cert(*hosts, key_type=trustme.KeyType.ECDSA)
        chain = b"".join(part.bytes() for part in issued.cert_chain_pems)
        return cls(authority.cert_pem.bytes(), chain, issued.private_key_pem.bytes())

    def secret(self) -> Manifest:
        """The Secret for the Gateway."""
        parts = {"tls.crt": self.chain, "tls.key": self.key}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": SECRET, "namespace": NAMESPACE},
            "data": {name: base64.b64encode(content).decode() for name, content in parts.items()},
        }
