"""A model that no subscription and no policy names is everybody's: whoever has any subscription pays with that."""

from harness.selftest.overlay import run_with
from harness.simulator.maas_api import internal_api, selection
from harness.simulator.maas_api.__main__ import main
from harness.simulator.maas_api.catalogue import Catalogue
from harness.simulator.maas_api.quirks import Quirk
from harness.simulator.maas_api.selection import Question, Selected, SelectionError

_select = selection.select


def select(catalogue: Catalogue, question: Question, quirks: frozenset[Quirk] = frozenset()) -> Selected:
    """The first subscription of the caller, where the model is in nobody's."""
    try:
        return _select(catalogue, question, quirks)
    except SelectionError as refusal:
        wanted = [
            *catalogue.models_behind(*question.model.partition("/")[::2]),
            *catalogue.models_called(question.model),
        ]
        governed = any(one.model(model.reference) for one in catalogue.subscriptions.items.values() for model in wanted)
        offers = catalogue.owned(question.username, question.groups)
        if governed or not offers or refusal.code != "model_not_in_subscription":
            raise
        model = wanted[0] if wanted else catalogue.model(offers[0].models[0].reference)
        return Selected(offers[0], model, allowed=True)


if __name__ == "__main__":
    run_with(internal_api, "select", select, main)
