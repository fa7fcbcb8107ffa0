import http.server
import json
import threading

import pytest

from harness.engine.failure import NotReady
from harness.kube.manifest import Ref
from harness.platforms.platform import Endpoints, Platform
from harness.world.clock import Clock
from harness.world.governance import MAAS, People, Rate, Subscription

SUBSCRIPTION = Subscription(
    Ref(MAAS, "MaaSSubscription", "gold", "models-as-a-service"), People(), (), (Rate(1, "10s"), Rate(5, "24h"))
)


@pytest.fixture
def limiter():
    """A limiter's admin endpoint that takes note of what its clock is told; `refuse` makes it answer 500."""
    told: list[tuple[str, dict[str, object]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        refuse = False

        def do_POST(self):
            told.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(500 if Handler.refuse else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.told, server.handler = told, Handler
    yield server
    server.shutdown()


def clock_of(server, *, provides: bool = True) -> Clock:
    url = f"http://127.0.0.1:{server.server_address[1]}"
    endpoints = Endpoints(gateway="http://g", management="http://g/maas-api", limiter_admin=url)
    return Clock(Platform(target="embedded", stack="reference", endpoints=endpoints, provides={"clock": provides}))


def test_the_longest_window_passes_for_that_subscription_alone(limiter):
    clock_of(limiter).pass_window(SUBSCRIPTION)
    clock_of(limiter).pass_window(SUBSCRIPTION, SUBSCRIPTION.rates[0])
    name = "models-as-a-service/gold"
    assert limiter.told == [
        ("/clock/advance", {"seconds": 86400, "subscription": name}),
        ("/clock/advance", {"seconds": 10, "subscription": name}),
    ]


def test_where_no_clock_can_be_advanced_time_really_passes(limiter):
    clock = clock_of(limiter, provides=False)
    assert not clock.can_advance
    clock.advance(SUBSCRIPTION, 0.01)
    assert limiter.told == []


def test_a_clock_that_refuses_is_not_the_platforms_fault(limiter):
    limiter.handler.refuse = True
    with pytest.raises(NotReady, match="gold cannot be advanced"):
        clock_of(limiter).pass_window(SUBSCRIPTION)
