"""The options `--maas-*`; kept apart from what reads them, because every pytest session on the machine imports this."""

from collections.abc import Callable
from typing import Final

OUT: Final = "maas-out"
TARGETS: Final = ("embedded", "kind", "cluster", "endpoint")
STACKS: Final = ("reference", "upstream", "installed")
BACKENDS: Final = ("mock", "vllm")


def add_options(add: Callable[..., None]) -> None:
    """Declare the options; `add` is `addoption` of an option group."""
    plain = {
        "target": "where the platform is: " + ", ".join(TARGETS),
        "stack": "what is installed there: " + ", ".join(STACKS),
        "platform": "judge the platform of this file, as `up` writes it, instead of opening a target",
        "profile": "which requirements are judged (default: full)",
        "out": f"folder of the reports (default: {OUT})",
        "kubeconfig": "kubeconfig of the cluster",
        "gateway": "base URL of the MaaS gateway",
        "management": "base URL of maas-api",
        "environment": "file with the URLs and credentials of a hosted platform",
        "backend": "model servers of the embedded target: " + ", ".join(BACKENDS),
        "quirks": "weaknesses of upstream that an embedded platform repeats: none, upstream, or requirement ids (default: none)",
        "kube-api": "the embedded platform's Kubernetes API: own, or envtest for the real one of KUBEBUILDER_ASSETS (default: own)",
        "gpu-profile": "GPU profile for clusters",
        "shard": "I/N: judge the I-th of N parts of the selection; every part has the canary",
        "rerun": "judge only what failed or came to no verdict in the run of this folder",
        "resume": "judge only what came to no verdict in the interrupted run of this folder",
        "seed": "shuffle the checks by this number (default: in the order of their files)",
        "known-failures": "file of failures that are expected, each with an issue and an expiry date; they never count as passed",
        "product": "name of the product that is judged, for the report",
        "product-version": "its version: a report holds for one version alone",
        "product-configuration": "its configuration, such as air-gapped",
        "organization": "whose product it is",
        "retries": "attempts after the first for a failing check (default 0); such a check is passed on retry, never passed",
    }
    for name, text in plain.items():
        add(f"--maas-{name}", default=None, help=text)
    for name, text in {
        "area": "judge this area only (repeatable)",
        "requirement": "judge this requirement only (repeatable)",
        "until-broken": "end as soon as this requirement was found broken (repeatable: as soon as all of them were)",
        "world": "manifests to apply to an embedded platform (repeatable)",
        "set": "NAME=VALUE: a setting of the target (repeatable)",
    }.items():
        add(f"--maas-{name}", action="append", default=None, help=text)
    add("--maas-keep", action="store_true", help="keep what the run made: its objects and files, a kind cluster")
    # for `maas-conformance run`, whose console speaks in pytest's place
    add(
        "--maas-own-console",
        choices=("stdout", "stderr"),
        default=None,
        help="tell the run's progress there, and write pytest's own output to OUT/pytest.log",
    )
