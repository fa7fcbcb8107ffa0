"""The Python clients, unmodified, each in its ordinary life: create, read, list, watch, patch, apply, delete."""

import asyncio

import pytest

GROUP, VERSION, PLURAL = "maas.opendatahub.io", "v1alpha1", "maasmodelrefs"


class TestKubernetes:
    """The official client, typed and dynamic."""

    @pytest.fixture
    def api(self, kubeconfig):
        from kubernetes import client, config

        configuration = client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        with client.ApiClient(configuration) as made:
            yield made

    def test_typed_built_in(self, api, namespace):
        from kubernetes import client

        core = client.CoreV1Api(api)
        body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c"), data={"a": "1"})
        made = core.create_namespaced_config_map(namespace, body)
        assert made.metadata.uid
        core.patch_namespaced_config_map("c", namespace, {"data": {"b": "2"}})
        assert core.read_namespaced_config_map("c", namespace).data == {"a": "1", "b": "2"}
        assert [
            one.metadata.name
            for one in core.list_namespaced_config_map(namespace, field_selector="metadata.name=c").items
        ] == ["c"]
        core.delete_namespaced_config_map("c", namespace)
        with pytest.raises(client.ApiException) as refused:
            core.read_namespaced_config_map("c", namespace)
        assert refused.value.status == 404

    def test_custom_objects(self, api, namespace, model):
        from kubernetes import client

        custom = client.CustomObjectsApi(api)
        where = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": PLURAL}
        custom.create_namespaced_custom_object(body=model, **where)
        custom.patch_namespaced_custom_object(name="granite", body={"spec": {"endpointOverride": "https://x"}}, **where)
        assert custom.get_namespaced_custom_object(name="granite", **where)["spec"]["endpointOverride"] == "https://x"
        custom.patch_namespaced_custom_object_status(name="granite", body={"status": {"phase": "Ready"}}, **where)
        assert custom.list_namespaced_custom_object(**where)["items"][0]["status"]["phase"] == "Ready"
        custom.delete_namespaced_custom_object(name="granite", **where)

    def test_watch(self, api, namespace):
        from kubernetes import client, watch

        core = client.CoreV1Api(api)
        core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c")))
        events = watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=1)
        assert "c" in [event["object"].metadata.name for event in events]

    def test_dynamic(self, api, namespace, model):
        from kubernetes import dynamic

        kinds = dynamic.DynamicClient(api).resources.get(api_version=f"{GROUP}/{VERSION}", kind="MaaSModelRef")
        kinds.create(body=model, namespace=namespace)
        kinds.server_side_apply(
            body=model, name="granite", namespace=namespace, field_manager="tests", force_conflicts=True
        )
        assert kinds.get(name="granite", namespace=namespace).spec.modelRef.name == "granite"
        assert len(kinds.get(namespace=namespace, label_selector="team=red").items) == 1
        kinds.delete(name="granite", namespace=namespace)

    def test_token_and_review(self, api, namespace):
        from kubernetes import client

        core, authentication = client.CoreV1Api(api), client.AuthenticationV1Api(api)
        core.create_namespaced_service_account(
            namespace, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="alice"))
        )
        request = client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=["https://kubernetes.default.svc"])
        )
        token = core.create_namespaced_service_account_token("alice", namespace, request).status.token
        review = authentication.create_token_review(client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token)))
        assert review.status.user.username == f"system:serviceaccount:{namespace}:alice"

    def test_utils_create_from_dict(self, api, namespace):
        from kubernetes import utils

        utils.create_from_dict(
            api,
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}},
            namespace=namespace,
        )


def test_kubernetes_asyncio(kubeconfig, namespace, model):
    async def live() -> None:
        from kubernetes_asyncio import client, config, watch

        configuration = client.Configuration()
        await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as api:
            custom = client.CustomObjectsApi(api)
            where = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": PLURAL}
            await custom.create_namespaced_custom_object(body=model, **where)
            async with watch.Watch() as watching:
                events = watching.stream(custom.list_namespaced_custom_object, timeout_seconds=1, **where)
                seen = [(event["type"], event["object"]["metadata"]["name"]) async for event in events]
            assert seen == [("ADDED", "granite")]
            await custom.delete_namespaced_custom_object(name="granite", **where)

    asyncio.run(live())


def test_kr8s(kubeconfig, namespace, model):
    import kr8s
    from kr8s.objects import ConfigMap, new_class

    api = kr8s.api(kubeconfig=str(kubeconfig))
    config_map = ConfigMap({"metadata": {"name": "c", "namespace": namespace}, "data": {"a": "1"}}, api=api)
    config_map.create()
    config_map.patch({"data": {"b": "2"}})
    config_map.refresh()
    assert config_map.raw["data"] == {"a": "1", "b": "2"}
    config_map.label({"team": "red"})
    assert [one.name for one in api.get("configmaps", namespace=namespace, label_selector={"team": "red"})] == ["c"]
    kind = new_class("MaaSModelRef", version=f"{GROUP}/{VERSION}", namespaced=True)
    reference = kind(model, api=api)
    reference.create()
    assert reference.exists()
    reference.delete()
    reference.wait("delete", timeout=10)
    assert not reference.exists()


def test_lightkube(kubeconfig, namespace, model):
    from lightkube import Client, KubeConfig
    from lightkube.core.exceptions import ApiError
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    client = Client(KubeConfig.from_file(str(kubeconfig)), namespace=namespace, field_manager="tests", trust_env=False)
    client.create(ConfigMap(metadata=ObjectMeta(name="c"), data={"a": "1"}))
    assert client.get(ConfigMap, "c").data == {"a": "1"}
    client.patch(ConfigMap, "c", {"data": {"b": "2"}})
    kind = create_namespaced_resource(GROUP, VERSION, "MaaSModelRef", PLURAL)
    client.apply(kind.from_dict(model))
    event, item = next(iter(client.watch(kind, server_timeout=10)))
    assert (event, item.metadata.name) == ("ADDED", "granite")
    client.delete(kind, "granite")
    with pytest.raises(ApiError) as refused:
        client.get(kind, "granite")
    assert refused.value.status.reason == "NotFound"


def test_kopf(kubeconfig, namespace, model, monkeypatch):
    """An operator sees an object, writes its status, holds it with a finalizer and lets it go."""
    import threading

    import kopf
    from kubernetes import client, config

    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    seen, registry = [], kopf.OperatorRegistry()
    created, deleted, stop = threading.Event(), threading.Event(), threading.Event()

    @kopf.on.login(registry=registry)
    def login(**words):
        return kopf.login_with_kubeconfig(**words)

    @kopf.on.create(GROUP, VERSION, PLURAL, registry=registry)
    def on_create(name, patch, **_):
        seen.append(("created", name))
        patch.status["endpoint"] = "https://written.example"
        created.set()

    @kopf.on.delete(GROUP, VERSION, PLURAL, registry=registry)
    def on_delete(name, **_):
        seen.append(("deleted", name))
        deleted.set()

    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage()
    operate = kopf.operator(
        registry=registry, settings=settings, namespaces=[namespace], standalone=True, stop_flag=stop
    )
    thread = threading.Thread(target=asyncio.run, args=(operate,), daemon=True)
    thread.start()
    configuration = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    with client.ApiClient(configuration) as api:
        custom = client.CustomObjectsApi(api)
        where = {"group": GROUP, "version": VERSION, "namespace": namespace, "plural": PLURAL}
        custom.create_namespaced_custom_object(body=model, **where)
        assert created.wait(20)
        custom.delete_namespaced_custom_object(name="granite", **where)
        assert deleted.wait(20)
    stop.set()
    thread.join(20)
    assert seen == [("created", "granite"), ("deleted", "granite")]
