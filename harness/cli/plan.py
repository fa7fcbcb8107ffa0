"""`maas-conformance plan`: what a run would do, without touching anything."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import click
import orjson

from harness.cli.run import default_workers, refuse_nonsense, selecting, selection_arguments
from harness.cli.suite import collect
from harness.engine.events import CheckPlanned
from harness.platforms.embedded.description import WITHOUT_MOCK
from harness.platforms.platform import Endpoints, Need, Platform, provided_unless
from harness.platforms.rights import rights_needed
from harness.platforms.target import TargetOptions, open_target
from harness.reporting.costs import Forecast, forecast, measured_costs, packaged_costs
from harness.spec.catalogue import catalogue
from harness.spec.coverage import Coverage, coverage_of
from harness.spec.profile import DEFAULT_PROFILE, profile_named

KINDS: Final[dict[str, str]] = {
    "namespaces": "Namespace",
    "serviceaccounts": "ServiceAccount",
    "maassubscriptions": "MaaSSubscription",
    "maasauthpolicies": "MaaSAuthPolicy",
    "maastenantconfigs": "MaasTenantConfig",
    "aitenants": "AITenant",
    "configs": "Config",
    "externalmodels": "ExternalModel",
    "externalproviders": "ExternalProvider",
    "llminferenceservices": "LLMInferenceService",
    "maasmodelrefs": "MaaSModelRef",
    "roles": "Role",
    "rolebindings": "RoleBinding",
    "gateways": "Gateway",
    "httproutes": "HTTPRoute",
    "authpolicies": "AuthPolicy",
    "tokenratelimitpolicies": "TokenRateLimitPolicy",
    "deployments": "Deployment",
    "services": "Service",
    "secrets": "Secret",
    "configmaps": "ConfigMap",
    "jobs": "Job",
    "validatingwebhookconfigurations": "ValidatingWebhookConfiguration",
}
"""What a right to create is a right to leave behind; all of it carries the run's labels and goes with it."""
QUESTIONS: Final = frozenset({"serviceaccounts/token", "subjectaccessreviews"})
"""What is created only in name: the API answers it and keeps nothing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    platform: Platform
    profile: str
    runnable: tuple[CheckPlanned, ...]
    not_runnable: tuple[tuple[CheckPlanned, str], ...]
    coverage: Coverage
    forecast: Forecast
    workers: int

    @property
    def exhausted(self) -> int | None:
        """Tokens of the lent budget that would be spent to its end; None where none would."""
        spends = any("exhaustion" in check.needs for check in self.runnable)
        return self.platform.exhaustible_tokens if spends else None

    @property
    def needs(self) -> frozenset[Need]:
        """What the checks that would run need."""
        known: dict[str, Need] = {need: need for need in get_args(Need)}
        return frozenset(known[need] for check in self.runnable for need in check.needs)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@selecting
@click.option(
    "-n", "workers", type=click.IntRange(min=0), help="Test workers of the run.  [default: 2 a core, at most 8]"
)
@click.option("--from", "run", type=click.Path(file_okay=False), help="Predict from the run in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def command(**given: Any) -> None:
    """Say what a run would do: checks, what cannot run and why, objects, permissions, quota and minutes. Touches nothing."""
    refuse_nonsense(given)
    plan = _plan(given)
    if given["as_json"]:
        click.echo(orjson.dumps(as_document(plan), option=orjson.OPT_INDENT_2).decode())
    else:
        click.echo("\n".join(as_lines(plan)))


def _plan(given: dict[str, Any]) -> Plan:
    platform = _foresee(given)
    suite = collect(*selection_arguments(given))
    workers = default_workers() if given["workers"] is None else given["workers"]
    verdicts = [(check, platform.missing(_needs(check))) for check in suite.plan]
    runnable = tuple(check for check, reason in verdicts if reason is None)
    costs = measured_costs(Path(given["run"])) if given["run"] else packaged_costs()
    profile = given["profile"] or DEFAULT_PROFILE
    return Plan(
        platform=platform,
        profile=profile,
        runnable=runnable,
        not_runnable=tuple((check, reason) for check, reason in verdicts if reason),
        coverage=coverage_of(profile_named(profile).requirements(catalogue()), suite.proofs),
        forecast=forecast(
            costs,
            [check.check_id for check in runnable],
            workers,
            alone={one.check_id for one in runnable if one.alone},
        ),
        workers=workers,
    )


def _needs(check: CheckPlanned) -> frozenset[Need]:
    known: dict[str, Need] = {need: need for need in get_args(Need)}
    return frozenset(known[need] for need in check.needs)


def _foresee(given: dict[str, Any]) -> Platform:
    """The platform as it would be: read from its file, looked at where it exists, and known beforehand where we would start it."""
    if given["platform"]:
        return Platform.load(Path(given["platform"]))
    target = given["target"] or "embedded"
    if target in {"cluster", "endpoint"}:
        return _look(given, target)
    reasons = WITHOUT_MOCK if given["backend"] == "vllm" else {}
    nowhere = "http://not-started-yet"
    return Platform(
        target=target,
        stack=given["stack"] or "reference",
        endpoints=Endpoints(gateway=nowhere, management=f"{nowhere}/maas-api"),
        provides=provided_unless(reasons),
        reasons=reasons,
    )


def _look(given: dict[str, Any], target: Any) -> Platform:
    """Opening these targets only reads, unless a model has to be deployed, which a plan leaves out."""
    path: Callable[[str | None], Path | None] = lambda text: Path(text).expanduser().absolute() if text else None  # noqa: E731
    options = TargetOptions(
        target=target,
        stack=given["stack"] or "reference",
        kubeconfig=path(given["kubeconfig"]),
        gateway_url=given["gateway"],
        management_url=given["management"],
        environment=path(given["environment"]),
        dry_run=True,
        settings=dict(text.partition("=")[::2] for text in given["set"]),
    )
    with open_target(options, lambda _: None) as platform:
        return platform


def as_document(plan: Plan) -> dict[str, Any]:
    """The plan for programs."""
    return {
        "target": plan.platform.target,
        "stack": plan.platform.stack,
        "profile": plan.profile,
        "checks": [_check(check) for check in plan.runnable],
        "not_runnable": [{**_check(check), "reason": reason} for check, reason in plan.not_runnable],
        "objects": objects(plan),
        "permissions": permissions(plan),
        "requirements": {"covered": plan.coverage.covered, "total": plan.coverage.total},
        "expected": {
            "seconds": round(plan.forecast.seconds, 1),
            "workers": plan.workers,
            "requests": plan.forecast.requests,
            "tokens": plan.forecast.tokens,
            "exhausted_tokens": plan.exhausted,
            "unmeasured_checks": plan.forecast.unmeasured,
            "measured_on": plan.forecast.measured_on,
        },
    }


def as_lines(plan: Plan) -> list[str]:
    """The plan for people."""
    expected = plan.forecast
    lines = [f"target {plan.platform.target} ({plan.platform.stack}), profile {plan.profile}", ""]
    lines += [f"would run {len(plan.runnable)} checks:"]
    lines += [f"  {check.check_id}  {' '.join(check.requirements)}{_order(check)}" for check in plan.runnable]
    if plan.not_runnable:
        lines += ["", f"could not run {len(plan.not_runnable)} checks:"]
        by_reason = Counter(reason for _, reason in plan.not_runnable)
        for reason, count in by_reason.most_common():
            lines.append(f"  {reason} ({count}):")
            lines += [f"    {check.check_id}" for check, why in plan.not_runnable if why == reason]
    lines += ["", f"would create and remove: {', '.join(objects(plan)) or 'nothing'}"]
    needed = _grouped(permissions(plan))
    lines += ["needs permission to:", *needed] if needed else ["needs no permission"]
    unmeasured = f"; {expected.unmeasured} checks were never measured" if expected.unmeasured else ""
    lines.append(f"would send about {expected.requests} requests and use about {expected.tokens} tokens")
    if plan.exhausted is not None:
        lines.append(
            f"would spend the budget of `exhaustible.api_key` to its end: {plan.exhausted} tokens, as the environment file allows; "
            "its user is refused until the window has passed"
        )
    lines.append(
        f"would take about {expected.seconds / 60:.1f} minutes with {plan.workers} workers "
        f"(measured on {expected.measured_on}{unmeasured})"
    )
    lines.append(f"requirements with a check: {plan.coverage.covered} of {plan.coverage.total}")
    return lines


def _order(check: CheckPlanned) -> str:
    return "  (first)" if check.canary else "  (alone, at the end)" if check.alone else ""


def objects(plan: Plan) -> list[str]:
    """Kinds of which the run may create objects: those that its permissions to create are for."""
    needed = rights_needed(plan.platform.namespaces)
    created = (
        KINDS[right.resource]
        for need, rights in needed.items()
        if need in plan.needs
        for right in rights
        if right.verb == "create" and right.resource not in QUESTIONS
    )
    return list(dict.fromkeys(created))


def permissions(plan: Plan) -> list[str]:
    """What the kubeconfig's identity has to be allowed."""
    needed = rights_needed(plan.platform.namespaces)
    asked = (str(right) for need, rights in needed.items() if need in plan.needs for right in rights)
    return list(dict.fromkeys(asked))  # several needs ask for the same


def _grouped(rights: list[str]) -> list[str]:
    """One line a resource with all its verbs: a line of its own for each right hides what is asked for."""
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verb, _, resource = right.partition(" ")
        verbs.setdefault(resource, []).append(verb)
    return [f"  {', '.join(those)} {resource}" for resource, those in verbs.items()]


def _check(check: CheckPlanned) -> dict[str, Any]:
    return {
        "check": check.check_id,
        "title": check.title,
        "requirements": list(check.requirements),
        "needs": list(check.needs),
        "canary": check.canary,
        "alone": check.alone,
    }
