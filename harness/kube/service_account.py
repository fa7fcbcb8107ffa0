"""A kubeconfig for a Pod's own identity: `python -m harness.kube.service_account FILE`, as an init container runs it.

Programs that only read kubeconfigs then run in a cluster as they do elsewhere. The token is the one that was mounted: Kubernetes accepts it
for a year by default (`--service-account-extend-token-expiration`), and the file goes with the Pod.
"""

import base64
import os
import sys
from pathlib import Path

import yaml

from harness.outcome import EnvironmentFault, Fault, UsageFault

MOUNTED = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def write_kubeconfig(target: Path, mounted: Path = MOUNTED) -> None:
    """Write the kubeconfig with mode 0600. Raises EnvironmentFault outside a Pod."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise EnvironmentFault("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no Pod")
    try:
        token = (mounted / "token").read_text(encoding="utf-8").strip()
        authority = base64.b64encode((mounted / "ca.crt").read_bytes()).decode()
    except OSError as error:
        raise EnvironmentFault(f"the Pod mounts no ServiceAccount token: {error.filename}: {error.strerror}") from error
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "own", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "own", "user": {"token": token}}],
        "contexts": [{"name": "own", "context": {"cluster": "own", "user": "own"}}],
        "current-context": "own",
    }
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(config), encoding="utf-8")


def main() -> int:
    """Exit codes: 0 written, 2 usage, 3 no Pod."""
    try:
        if len(sys.argv) != 2:
            raise UsageFault("expected one argument, the file to write")
        write_kubeconfig(Path(sys.argv[1]))
    except Fault as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
