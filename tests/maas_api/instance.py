"""An instance of the management API inside the test process: real HTTP, a real SQLite file, a cluster of dictionaries."""

import asyncio
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from harness.simulator.component import address, listen
from harness.simulator.maas_api import app
from harness.simulator.maas_api.administrators import Administrators
from harness.simulator.maas_api.catalogue import Catalogue
from harness.simulator.maas_api.kubernetes import Access, KubernetesError
from harness.simulator.maas_api.metrics import Metrics
from harness.simulator.maas_api.record import KeyRecord
from harness.simulator.maas_api.service import Service, UsageMemory
from harness.simulator.maas_api.settings import Settings
from harness.simulator.maas_api.store import KeyStore

from . import documents


class FakeCluster:
    """Answers for Kubernetes; `asked` counts administrator questions."""

    def __init__(self) -> None:
        self.administrators: set[str] = set()
        self.tokens: set[str] = set()
        self.found: Mapping[str, Any] | KubernetesError = KubernetesError(404, "not found")
        self.asked: list[tuple[str, Access]] = []
        self.failing = False

    async def authenticated(self, token: str) -> bool:
        return token in self.tokens

    async def may(self, username: str, groups: tuple[str, ...], access: Access) -> bool:
        self.asked.append((username, access))
        if self.failing:
            raise KubernetesError(0, "no answer")
        return username in self.administrators

    async def gateway(self, namespace: str, name: str) -> Mapping[str, Any]:
        if isinstance(self.found, KubernetesError):
            raise self.found
        return self.found


class Instance:
    """A running instance. The catalogue is filled by the test; nothing is awaited because nothing is watched."""

    def __init__(self, database: Path, **settings: Any) -> None:
        self.cluster = FakeCluster()
        self.settings = Settings(database=f"sqlite:///{database}", **settings)
        self.catalogue = Catalogue(self.settings.subscription_namespace)
        self._loop = asyncio.new_event_loop()
        self._socket = listen("127.0.0.1", 0)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(60), "the instance did not start"
        self.url = f"http://{address(self._socket)}"
        self.anonymous = httpx.Client(base_url=self.url, trust_env=False, timeout=10, verify=False)

    def model(self, *args: Any, **parts: Any) -> None:
        self.catalogue.model_refs.put(documents.model(*args, **parts))

    def subscription(self, *args: Any, **parts: Any) -> None:
        self.catalogue.subscriptions.put(documents.subscription(*args, **parts))

    def policy(self, *args: Any, **parts: Any) -> None:
        self.catalogue.policies.put(documents.policy(*args, **parts))

    def caller(self, username: str, *groups: str, **headers: str) -> httpx.Client:
        """A client with the identity headers that a gateway would set."""
        names = "[" + ",".join(f'"{group}"' for group in groups or ("system:authenticated",)) + "]"
        identity = {"X-MaaS-Username": username, "X-MaaS-Group": names}
        return httpx.Client(base_url=self.url, headers=identity | headers, trust_env=False, timeout=10, verify=False)

    def mint(self, client: httpx.Client, **body: Any) -> dict[str, Any]:
        """A new key; fails the test when it is refused."""
        response = client.post("/v1/api-keys", json={"name": "key"} | body)
        assert response.status_code == 201, response.text
        return response.json()

    def validate(self, key: str) -> dict[str, Any]:
        return self.anonymous.post("/internal/v1/api-keys/validate", json={"key": key}).json()

    def select(self, **body: Any) -> dict[str, Any]:
        response = self.anonymous.post("/internal/v1/subscriptions/select", json=body)
        assert response.status_code == 200
        return response.json()

    def store_key(self, record: KeyRecord) -> None:
        self._wait(self._service.store.add(record))

    def settle(self) -> None:
        """Return when every last use is written."""
        self._wait(self._service.usage.settle())

    def break_database(self) -> None:
        """Take the tables away, as a database that lost its disk would."""
        with sqlite3.connect(self.settings.database.removeprefix("sqlite:///")) as database:
            database.execute("DROP TABLE api_key_labels")
            database.execute("DROP TABLE api_keys")

    def close(self) -> None:
        self.anonymous.close()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the instance did not stop"

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        store = await KeyStore.open(self.settings.database)
        self.metrics = metrics = Metrics(self.settings.tenant)
        administrators = Administrators(
            self.cluster, self.settings.subscription_namespace, metrics, self.settings.admin_cache_entries
        )
        usage = UsageMemory(store, self.settings.last_used_debounce_s)
        self._service = Service(self.settings, self.catalogue, store, self.cluster, administrators, metrics, usage)
        config = uvicorn.Config(
            app.api(self._service), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        # Not `serve()`: its loop looks every tenth of a second whether to end, and these instances live shorter than that.
        await server.startup([self._socket])
        self._stop = asyncio.Event()
        self._ready.set()
        await self._stop.wait()
        server.force_exit = True
        await server.shutdown([self._socket])
        await usage.settle()
        await store.close()
