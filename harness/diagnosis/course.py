"""In which order the steps are taken: that of the way of a request, unless a symptom makes some of them likelier."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from harness.diagnosis import calling, entitlement, governing, serving
from harness.diagnosis.case import Case
from harness.diagnosis.sight import Unseen
from harness.diagnosis.step import Step, unknown
from harness.outcome import EnvironmentFault

Look = Callable[[Case], Step | None]

_WAY: Final[tuple[Look, ...]] = (
    serving.gateway_reference,
    serving.gateway,
    serving.ready,
    serving.route,
    governing.registered,
    governing.governed,
    governing.published,
    governing.access_enforced,
    governing.limits_enforced,
    entitlement.allowed,
    entitlement.subscribed,
    entitlement.budget,
    calling.answers,
)
SYMPTOMS: Final[Mapping[str, tuple[Look, ...]]] = {
    "not-listed": (
        serving.gateway_reference,
        governing.registered,
        governing.governed,
        governing.published,
        entitlement.subscribed,
    ),
    "401": (governing.access_enforced,),
    "403": (
        governing.registered,
        governing.governed,
        governing.access_enforced,
        entitlement.allowed,
        entitlement.subscribed,
    ),
    "404": (serving.gateway_reference, serving.gateway, serving.route),
    "429": (entitlement.subscribed, governing.limits_enforced, entitlement.budget),
    "5xx": (serving.ready, serving.route),
}
"""What is looked at first, by what the caller met; the rest of the way follows."""


def diagnose(case: Case, symptom: str | None) -> Iterator[Step]:
    """Take the steps until one finds something wrong.

    Raises UsageFault when the model's name means several, EnvironmentFault when this identity may not look for models at all.
    """
    likely = SYMPTOMS[symptom] if symptom else ()
    for look in (serving.exists, calling.identify, *likely, *(look for look in _WAY if look not in likely)):
        try:
            step = look(case)
        except Unseen as error:
            if look is serving.exists:
                raise EnvironmentFault(f"{error}: without that nothing can be said about a model") from error
            step = unknown(look.__name__.replace("_", " "), str(error))
        if step is not None:
            yield step
            if step.state == "wrong":
                return
