"""The MaaS controller: its reconcilers, each with what wakes it."""

from harness.simulator.controllers.maas.admission import Admission
from harness.simulator.controllers.maas.names import Settings
from harness.simulator.controllers.maas.platformwiring import PlatformWiring
from harness.simulator.controllers.maas.reconciler_access import AccessReconciler
from harness.simulator.controllers.maas.reconciler_config import TenantConfigReconciler
from harness.simulator.controllers.maas.reconciler_external import (
    ExternalModelReconciler,
    ExternalProviderReconciler,
    LegacyExternalModelReconciler,
)
from harness.simulator.controllers.maas.reconciler_gateway import GatewayReconciler
from harness.simulator.controllers.maas.reconciler_lifetime import LifetimeReconciler
from harness.simulator.controllers.maas.reconciler_limit import LimitReconciler
from harness.simulator.controllers.maas.reconciler_model import ModelReconciler
from harness.simulator.controllers.maas.reconciler_space import SpaceReconciler
from harness.simulator.controllers.maas.reconciler_subscription import SubscriptionReconciler
from harness.simulator.controllers.maas.reconciler_tenant import TenantReconciler
from harness.simulator.controllers.maas.retirement import Retirement
from harness.simulator.controllers.maas.tokenlimit import Ledger
from harness.simulator.controllers.maas.view import (
    View,
    listens_to,
)
from harness.simulator.controllers.maas.webhook import Webhook
from harness.simulator.controllers.maas.wiring import Wiring
from harness.simulator.controllers.runtime.controller import Manager
from harness.simulator.controllers.runtime.event import Recorder


def install(
    manager: Manager, recorder: Recorder, settings: Settings, webhook_bind: tuple[str, int] | None
) -> Webhook | None:
    """Add the MaaS controller to a manager; the returned webhook has to be served. Without an address there is none."""
    listens_to(manager.cluster)
    view = View(manager.cluster, settings)
    ledger = Ledger()
    limits = manager.add("tokenratelimitpolicy", LimitReconciler(view, ledger), echoes=False)
    models = manager.add("maasmodelref", ModelReconciler(view, recorder), echoes=False)
    subscriptions = manager.add(
        "maassubscription", SubscriptionReconciler(view, ledger, limits), workers=8, echoes=False
    )
    access = manager.add("maasauthpolicy", AccessReconciler(view, recorder), echoes=False)
    gateways = manager.add("gateway", GatewayReconciler(view), workers=1)
    tenants = manager.add("aitenant", TenantReconciler(view, Retirement(view, recorder)), workers=2)
    configs = manager.add("maastenantconfig", TenantConfigReconciler(view), workers=2)
    spaces = manager.add("namespace", SpaceReconciler(view), workers=1)
    lifetime = manager.add("lifetime", LifetimeReconciler(view), workers=1)
    legacy = manager.add("externalmodel-legacy", LegacyExternalModelReconciler(view, recorder), workers=1)
    external = manager.add("externalmodel", ExternalModelReconciler(view), workers=1)
    providers = manager.add("externalprovider", ExternalProviderReconciler(view, recorder), workers=1)
    wiring, platform = Wiring(view), PlatformWiring(view)
    platform.of_spaces(spaces)
    platform.of_lifetime(lifetime)
    platform.of_external(legacy, external, providers)
    platform.of_tenants(tenants, configs)
    wiring.of_models(models)
    wiring.of_limits(limits)
    wiring.of_subscriptions(subscriptions)
    wiring.of_access(access)
    platform.of_gateways(gateways)
    if webhook_bind is None:
        return None
    webhook = Webhook(Admission(view), manager.cluster, settings.control, webhook_bind)
    platform.of_webhook(manager.add("webhook", webhook, workers=1))
    return webhook
