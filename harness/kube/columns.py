"""What `kubectl get` shows of a kind: the columns that its definition asks the API server to print."""

from dataclasses import dataclass

from harness.kube.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Column:
    """One printed column; `wide` ones appear with `-o wide` alone (priority above 0)."""

    name: str
    wide: bool = False


def columns_of(cluster: Cluster, api_version: str, kind: str, *, namespace: str | None = None) -> tuple[Column, ...]:
    """The kind's printed columns in their order, without the name that every kind has. Raises Rejected for an unknown kind."""
    definitions = cluster.table(api_version, kind, namespace=namespace).get("columnDefinitions") or []
    columns = tuple(Column(str(one["name"]), int(one.get("priority", 0)) > 0) for one in definitions)
    return tuple(column for column in columns if column.name != "Name")
