"""The broken platforms: which component each replaces, what it does wrong, and which requirement has to notice."""

from dataclasses import dataclass
from typing import Final

DEFECTS: Final = "harness.selftest.defects"


@dataclass(frozen=True, slots=True)
class Defect:
    """A platform that breaks a promise. `requirements`: each of them must be found broken, by a failed check that names it.

    `under`: settings without which there is nothing to break.
    """

    name: str
    component: str
    wrong: str
    requirements: tuple[str, ...]
    under: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """What is started in the component's place."""
        return f"{DEFECTS}.{self.name.replace('-', '_')}"

    @property
    def setting(self) -> str:
        """The `--set` of `run` and `up` that brings this platform up."""
        return f"component.{self.component}={self.module}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """What `run` and `up` are told to bring this platform up."""
        return tuple(word for setting in (self.setting, *self.under) for word in ("--set", setting))


GALLERY: Final[tuple[Defect, ...]] = (
    Defect("authorizer-admits-everyone", "authorizer", "no credential is needed", ("MAAS-AUTH-001", "MAAS-AUTH-003")),
    Defect("authorizer-denies-everyone", "authorizer", "every request is 403", ("MAAS-KEY-001", "MAAS-AUTH-007")),
    Defect(
        "authorizer-answers-403-for-401",
        "authorizer",
        "a missing credential is 403",
        ("MAAS-AUTH-001", "MAAS-AUTH-003"),
    ),
    Defect(
        "authorizer-trusts-identity-headers",
        "authorizer",
        "a client may name itself",
        ("MAAS-AUTH-030", "MAAS-AUTH-031"),
    ),
    Defect("authorizer-believes-unverified-tokens", "authorizer", "no signature is needed", ("MAAS-AUTH-011",)),
    Defect("authorizer-trusts-every-issuer", "authorizer", "any issuer's users are let in", ("MAAS-MT-007",)),
    Defect(
        "authorizer-lets-any-client-in",
        "authorizer",
        "a token for another client counts, with groups of any name",
        ("MAAS-AUTH-012", "MAAS-AUTH-014"),
    ),
    Defect("limiter-refuses-nobody", "limiter", "limits enforce nothing", ("MAAS-RATE-001",)),
    Defect("limiter-charges-one-per-request", "limiter", "a request costs 1 token", ("MAAS-TOK-001", "MAAS-TOK-008")),
    Defect(
        "limiter-denies-one-too-late",
        "limiter",
        "a spent budget buys one request more",
        ("MAAS-RATE-002",),
    ),
    Defect("limiter-denies-one-too-early", "limiter", "the last token buys nothing", ("MAAS-RATE-002",)),
    Defect("limiter-shares-counters", "limiter", "users share one budget", ("MAAS-RATE-008",)),
    Defect("limiter-window-never-ends", "limiter", "a spent budget never returns", ("MAAS-RATE-004",)),
    Defect("limiter-window-slides", "limiter", "every charge opens the window anew", ("MAAS-RATE-004",)),
    Defect("limiter-keeps-overdrafts", "limiter", "overdrafts are taken from the next window", ("MAAS-RATE-004",)),
    Defect("limiter-forgets-at-an-edit", "limiter", "an edited amount resets what was used", ("MAAS-RATE-021",)),
    Defect(
        "limiter-never-releases",
        "limiter",
        "holds outlive their requests",
        ("MAAS-RATE-003", "MAAS-RATE-004", "MAAS-RATE-028"),
        ("admission=reservation",),
    ),
    Defect(
        "limiter-releases-too-much",
        "limiter",
        "the end of a request frees the holds of others",
        ("MAAS-RATE-003",),
        ("admission=reservation",),
    ),
    Defect("limiter-labels-everything", "limiter", "metrics name users who are not to be named", ("MAAS-TOK-010",)),
    Defect("gateway-times-nobody", "gateway", "durations name no subscription", ("MAAS-TOK-013",)),
    Defect("gateway-streams-are-free", "gateway", "streams are not charged", ("MAAS-TOK-002", "MAAS-TOK-003")),
    Defect("gateway-serves-without-its-limiter", "gateway", "no limit counts in an outage", ("MAAS-RATE-023",)),
    Defect(
        "gateway-hides-usage",
        "gateway",
        "streams of responses state no usage",
        ("MAAS-TOK-008",),
    ),
    Defect(
        "authorizer-believes-the-model-header",
        "authorizer",
        "a header of the client says which model is meant",
        ("MAAS-AUTH-062",),
    ),
    Defect(
        "maas-api-honours-revoked-keys",
        "maas-api",
        "a revoked or expired key goes on working",
        ("MAAS-REV-001", "MAAS-KEY-108"),
    ),
    Defect("maas-api-dry-run-revokes", "maas-api", "a dry run revokes", ("MAAS-KEY-084",)),
    Defect("maas-api-shows-stale-states", "maas-api", "an expired key looks active", ("MAAS-KEY-052",)),
    Defect("maas-api-ignores-phases", "maas-api", "a subscription serves in any phase", ("MAAS-AUTH-056",)),
    Defect(
        "maas-api-opens-what-nobody-governs",
        "maas-api",
        "a model without subscription and policy is everybody's",
        ("MAAS-AUTH-052",),
    ),
    Defect(
        "maas-api-takes-nobody-for-everybody",
        "maas-api",
        "a subscription without an owner is everybody's",
        ("MAAS-CRD-040",),
    ),
    Defect("maas-api-tells-of-its-inside", "maas-api", "errors quote the call stack", ("MAAS-SEC-012",)),
    Defect("maas-api-pages-have-no-end", "maas-api", "a page of a search holds any number of keys", ("MAAS-KEY-069",)),
    Defect("maas-api-never-forgets-a-no", "maas-api", "a new administrator is never known", ("MAAS-KEY-087",)),
    Defect(
        "controller-lists-standard-models",
        "maas-controller",
        "a model of the standard gateway is listed",
        ("MAAS-GW-007",),
    ),
    Defect(
        "controller-asks-for-access-alone",
        "maas-controller",
        "a model is Ready although nobody has quota for it",
        ("MAAS-STAT-003",),
    ),
    Defect(
        "controller-spares-keys-of-deleted-tenants",
        "maas-controller",
        "a tenant goes and its keys stay good",
        ("MAAS-REV-010",),
    ),
    Defect("authorizer-tells-keys-apart", "authorizer", "a user has as many budgets as keys", ("MAAS-RATE-007",)),
    Defect(
        "authorizer-remembers-at-one-replica",
        "authorizer",
        "one of three replicas lets a revoked key in for ever",
        ("MAAS-REV-001",),
    ),
    Defect(
        "limiter-keeps-one-rate-of-each-limit",
        "limiter",
        "the second of two rates counts for nothing",
        ("MAAS-RATE-011",),
    ),
    Defect(
        "gateway-forces-usage-anywhere",
        "gateway",
        "a field of the caller's called stream_options makes a stream free",
        ("MAAS-TOK-002",),
    ),
    Defect(
        "maas-api-lists-what-policies-allow", "maas-api", "a model is listed without a subscription", ("MAAS-LIST-009",)
    ),
    Defect(
        "controller-repairs-amounts-alone",
        "maas-controller",
        "a limit whose condition somebody edited stays so",
        ("MAAS-CTRL-009",),
    ),
    Defect(
        "authorizer-asks-one-maas-api-for-all",
        "authorizer",
        "one tenant's keys are good at every gateway",
        ("MAAS-MT-003",),
    ),
    Defect("authorizer-takes-any-audience", "authorizer", "a token for another service counts", ("MAAS-AUTH-008",)),
    Defect("authorizer-passes-identity-on", "authorizer", "a model server sees identity headers", ("MAAS-AUTH-036",)),
    Defect("maas-api-needs-no-policy", "maas-api", "a subscription opens models by itself", ("MAAS-AUTH-050",)),
    Defect(
        "maas-api-serves-degraded-models",
        "maas-api",
        "a model is served whose limits are not in force",
        ("MAAS-AUTH-057",),
    ),
    Defect(
        "maas-api-takes-everybody-for-an-administrator",
        "maas-api",
        "anybody reads, finds and revokes the keys of others",
        ("MAAS-KEY-051", "MAAS-KEY-061", "MAAS-KEY-082"),
    ),
    Defect(
        "maas-api-tells-which-subscriptions-exist",
        "maas-api",
        "names of others' subscriptions can be probed",
        ("MAAS-KEY-033",),
    ),
    Defect("maas-api-ephemeral-keys-last", "maas-api", "an ephemeral key lives two hours", ("MAAS-KEY-021",)),
    Defect(
        "maas-api-writes-every-mint-down-as-a-success",
        "maas-api",
        "refused mints are counted as successes",
        ("MAAS-TOK-014",),
    ),
    Defect("gateway-forgets-its-default-denial", "gateway", "a route without limits is free", ("MAAS-GW-010",)),
    Defect(
        "controller-admits-rules-outside-tenants",
        "maas-controller",
        "quota and access may be written into any namespace",
        ("MAAS-WH-001", "MAAS-WH-002"),
    ),
    Defect(
        "controller-takes-over-what-others-control",
        "maas-controller",
        "objects of another controller are overwritten",
        ("MAAS-CTRL-022",),
    ),
    Defect(
        "controller-gives-all-tenants-one-name",
        "maas-controller",
        "tenants keep their keys in one place, and are each other's",
        ("MAAS-MT-003", "MAAS-MT-004"),
    ),
    Defect(
        "limiter-knows-subscriptions-by-bare-name",
        "limiter",
        "subscriptions of the same name share one budget across tenants",
        ("MAAS-RATE-024",),
    ),
)


def named(name: str) -> Defect:
    """The defect of that name. Raises KeyError."""
    return {defect.name: defect for defect in GALLERY}[name]
