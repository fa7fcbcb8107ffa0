"""What a kind cluster would be, before anything is made: settings, configuration, manifests, steps."""

import base64
import shutil
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from harness.cli.command import run
from harness.outcome import EnvironmentFault, UsageFault
from harness.platforms.data import data_folder
from harness.platforms.kind.config import HostPorts, kind_config, kubernetes_minor, mirror_files
from harness.platforms.kind.plan import KindPlan, creation_steps, make_plan
from harness.platforms.kind.reference import images, reference_manifests
from harness.platforms.kind.settings import KindSettings, kind_settings, known_settings

PORTS = HostPorts(18080, 18081, 18082, 18083, 18084)


def test_the_configuration_maps_the_gateways_and_the_limiter_to_loopback() -> None:
    config = kind_config(KindSettings(name="trial", workers=2), "kindest/node:v1.34.0@sha256:0", PORTS, 2)
    assert config["name"] == "trial"
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
    assert {node["image"] for node in config["nodes"]} == {"kindest/node:v1.34.0@sha256:0"}
    mapped = {
        entry["containerPort"]: (entry["listenAddress"], entry["hostPort"])
        for entry in config["nodes"][0]["extraPortMappings"]
    }
    assert mapped == {30080 + number: ("127.0.0.1", 18080 + number) for number in range(5)}
    assert "kubeadmConfigPatches" not in config
    assert "containerdConfigPatches" not in config


@pytest.mark.parametrize(
    ("image", "cgroups", "patched"),
    [
        ("kindest/node:v1.34.0", 1, False),
        ("kindest/node:v1.35.0", 1, True),
        ("registry.example.com:5000/node:v1.36.2@sha256:0", 1, True),
        ("kindest/node:v1.35.0", 2, False),
        ("my-node:latest", 1, True),
    ],
)
def test_kubernetes_1_35_is_told_to_accept_cgroup_v1(image: str, cgroups: int, patched: bool) -> None:
    config = kind_config(KindSettings(), image, PORTS, cgroups)
    patches = [yaml.safe_load(text) for text in config.get("kubeadmConfigPatches", [])]
    expected = [{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "failCgroupV1": False}]
    assert patches == (expected if patched else [])


def test_the_minor_version_is_the_tag_s_and_not_the_registry_s() -> None:
    assert kubernetes_minor("registry.example.com:5000/node:v1.36.2") == 36
    assert kubernetes_minor("node@sha256:abc") is None


def test_patches_ca_and_mirrors_reach_the_nodes(tmp_path: Path) -> None:
    ca, kubeadm, containerd = tmp_path / "ca.crt", tmp_path / "kubeadm.yaml", tmp_path / "containerd.toml"
    ca.write_text("CA")
    kubeadm.write_text("kind: ClusterConfiguration\n")
    containerd.write_text("# toml\n")
    chosen = {
        "ca-file": str(ca),
        "kubeadm-patches": str(kubeadm),
        "containerd-patches": str(containerd),
        "registry-mirrors": "docker.io=https://m.example.com,quay.io=https://q.example.com",
        "kube-proxy-mode": "nftables",
        "api-server-port": "16443",
    }
    settings = kind_settings(None, chosen)
    config = kind_config(settings, "kindest/node:v1.34.0", PORTS, 2)
    assert config["kubeadmConfigPatches"] == ["kind: ClusterConfiguration\n"]
    assert config["containerdConfigPatches"][0] == "# toml\n"
    assert 'config_path = "/etc/containerd/certs.d"' in config["containerdConfigPatches"][1]
    assert config["networking"] == {
        "apiServerAddress": "127.0.0.1",
        "kubeProxyMode": "nftables",
        "apiServerPort": 16443,
    }
    assert config["nodes"][0]["extraMounts"][0]["hostPath"] == str(ca)
    files = mirror_files(settings)
    assert set(files) == {"/etc/containerd/certs.d/docker.io/hosts.toml", "/etc/containerd/certs.d/quay.io/hosts.toml"}
    assert 'server = "https://registry-1.docker.io"' in files["/etc/containerd/certs.d/docker.io/hosts.toml"]
    assert "ca = " in files["/etc/containerd/certs.d/quay.io/hosts.toml"]


def test_the_example_of_settings_holds_every_default_and_no_unknown_name() -> None:
    example = data_folder("kind") / "settings.example.yaml"
    assert kind_settings(example, {}) == KindSettings()
    commented = {
        line.lstrip("# ").partition(":")[0]
        for line in example.read_text().splitlines()
        if line.startswith("# ") and ": " in line
    }
    named = set(yaml.safe_load(example.read_text())) | {
        name for name in commented if " " not in name and not name[0].isdigit()
    }
    assert named == set(known_settings())


def test_an_option_overrules_the_file(tmp_path: Path) -> None:
    file = tmp_path / "kind.yaml"
    file.write_text("name: from-file\nworkers: 3\n")
    settings = kind_settings(file, {"name": "from-option"})
    assert (settings.name, settings.workers) == ("from-option", 3)


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"nme": "x"}, "the target kind has no setting 'nme'; did you mean name?"),
        ({"workers": "many"}, "workers: Input should be a valid integer"),
        ({"kube-proxy-mode": "ipvs"}, "kube-proxy-mode: Input should be 'iptables' or 'nftables', came 'ipvs'"),
        ({"bundle": "/nowhere/at/all"}, "there is no /nowhere/at/all"),
        ({"registry-mirrors": "docker.io"}, "expected NAME=VALUE, got 'docker.io'"),
        ({"wait": "soon"}, "wait: String should match pattern"),
    ],
)
def test_a_wrong_setting_is_one_sentence(chosen: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageFault) as fault:
        kind_settings(None, chosen)
    assert sentence in str(fault.value)
    assert "\n" not in str(fault.value)


def test_a_configuration_of_one_s_own_must_map_the_gateway(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: [{role: control-plane}]\n")
    with pytest.raises(
        EnvironmentFault, match="maps no host port to the container ports 30080, 30081, 30082, 30083, 30084"
    ):
        make_plan(KindSettings(config=own), tmp_path)


def test_a_configuration_of_one_s_own_keeps_its_nodes_images(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    mappings = [{"containerPort": port, "hostPort": port} for port in range(30080, 30085)]
    own.write_text(
        yaml.safe_dump({"kind": "Cluster", "nodes": [{"role": "control-plane", "extraPortMappings": mappings}]})
    )
    plan = make_plan(KindSettings(config=own), tmp_path)
    create = next(step.words for step in creation_steps(plan) if step.words[1:3] == ("create", "cluster"))
    assert "--image" not in create
    assert create[create.index("--config") + 1] == str(own)
    assert plan.gateway_url == "http://127.0.0.1:30080"
    chosen = make_plan(kind_settings(None, {"config": str(own), "node-image": "node:v1"}), tmp_path)
    create = next(step.words for step in creation_steps(chosen) if step.words[1:3] == ("create", "cluster"))
    assert create[create.index("--image") + 1] == "node:v1"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl to compare with")
def test_our_rendering_is_kustomize_s() -> None:
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(data_folder("cluster"))], capture_output=True, text=True, check=True
    )
    theirs = {
        (entry["kind"], entry["metadata"]["name"], entry["metadata"].get("namespace")): entry
        for entry in yaml.safe_load_all(rendered.stdout)
    }
    urls = "http://127.0.0.1:30080", "http://127.0.0.1:30081", "https://127.0.0.1:30083"
    ours = reference_manifests("maas-conformance/reference:dev", *urls)
    assert {
        (entry["kind"], entry["metadata"]["name"], entry["metadata"].get("namespace")): entry for entry in ours
    } == theirs


def test_the_image_and_the_urls_are_this_cluster_s_everywhere() -> None:
    urls = "http://127.0.0.1:1", "http://127.0.0.1:2", "https://127.0.0.1:3"
    manifests = reference_manifests("registry.example.com/r:1", *urls)
    assert images(manifests) == ["registry.example.com/r:1"]
    assert "maas-conformance/reference" not in yaml.safe_dump(manifests)
    settings = next(entry for entry in manifests if entry["kind"] == "ConfigMap")
    assert settings["data"] == dict(zip(("GATEWAY_URL", "STANDARD_GATEWAY_URL", "GATEWAY_TLS_URL"), urls, strict=True))


def test_the_gateway_s_certificate_is_one_that_this_machine_can_check(tmp_path: Path) -> None:
    plan = make_plan(KindSettings(), tmp_path)
    secret = next(entry for entry in plan.manifests if entry["metadata"]["name"] == "maas-gateway-tls")
    chain = tmp_path / "tls.crt"
    chain.write_bytes(base64.b64decode(secret["data"]["tls.crt"]))
    creation_steps(plan)[0].take()
    checked = ["openssl", "verify", "-CAfile", str(plan.ca_file), "-verify_ip", "127.0.0.1", str(chain)]
    assert subprocess.run(checked, capture_output=True, check=False).returncode == 0
    assert "PRIVATE KEY" not in repr(plan.certificate)


def keycloak_settings(folder: Path, **changes: str) -> dict[str, str]:
    """What names a Keycloak, as the cluster target takes it."""
    (folder / "judge.secret").write_text("never shown")
    (folder / "idp.crt").write_text("PEM of the CA")
    return {
        "oidc-issuer": "https://idp.example:8443/realms/people",
        "oidc-client": "portal",
        "oidc-ca": str(folder / "idp.crt"),
        "keycloak-admin-client": "judge",
        "keycloak-admin-secret-file": str(folder / "judge.secret"),
        **changes,
    }


def authorizer_of(plan: KindPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """The container, and the Pod that it is in."""
    gateway = next(
        entry
        for entry in plan.manifests
        if (entry["kind"], entry["metadata"]["name"]) == ("Deployment", "maas-gateway")
    )
    pod = gateway["spec"]["template"]["spec"]
    return next(entry for entry in pod["containers"] if entry["name"] == "authorizer"), pod


def test_the_default_tenant_trusts_a_keycloak_and_the_authorizer_its_ca(tmp_path: Path) -> None:
    settings = keycloak_settings(tmp_path)
    plan = make_plan(kind_settings(None, settings), tmp_path, "0123456789ab")
    assert plan.keycloak is not None
    assert plan.keycloak.run_id == "0123456789ab"
    tenant = next(entry for entry in plan.manifests if entry["kind"] == "AITenant")
    assert tenant["spec"]["oidc"] == {"issuerUrl": settings["oidc-issuer"], "clientId": "portal"}
    assert plan.issuer_url == settings["oidc-issuer"]
    container, pod = authorizer_of(plan)
    file = PurePosixPath(container["command"][container["command"].index("--oidc-ca") + 1])
    mount = next(entry for entry in container["volumeMounts"] if entry["mountPath"] == str(file.parent))
    volume = next(entry for entry in pod["volumes"] if entry["name"] == mount["name"])
    authority = next(
        entry
        for entry in plan.manifests
        if (entry["kind"], entry["metadata"]["name"]) == ("ConfigMap", volume["configMap"]["name"])
    )
    assert authority["metadata"]["namespace"] == "openshift-ingress"
    assert authority["data"] == {file.name: "PEM of the CA"}
    assert "never shown" not in yaml.safe_dump(list(plan.manifests)) + repr(plan)


def test_a_keycloak_of_a_known_authority_needs_no_ca(tmp_path: Path) -> None:
    settings = keycloak_settings(tmp_path)
    del settings["oidc-ca"]
    plan = make_plan(kind_settings(None, settings), tmp_path)
    container, pod = authorizer_of(plan)
    assert "--oidc-ca" not in container["command"]
    assert container["command"][-4:] == ["--bind", "127.0.0.1:9001", "--ready-file", "/tmp/ready"]
    assert [volume["name"] for volume in pod["volumes"]] == ["run"]


def test_without_a_keycloak_the_platform_s_own_issuer_is_trusted(tmp_path: Path) -> None:
    plan = make_plan(KindSettings(), tmp_path)
    assert plan.keycloak is None
    assert plan.issuer_url == "https://oidc-issuer.openshift-ingress.svc:8444/realms/maas"
    container, _ = authorizer_of(plan)
    assert container["command"][container["command"].index("--oidc-ca") + 1] == "/run/maas/issuer/ca.crt"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"keycloak-admin-client": None}, "one of them is missing"),
        ({"keycloak-admin-client": None, "keycloak-admin-secret-file": None}, "has an issuer of its own"),
        ({"oidc-issuer": "http://idp.example/realms/people"}, "https://HOST/realms/NAME"),
        ({"oidc-issuer": "https://127.0.0.1:8443/realms/people"}, "name an address of Keycloak that Pods reach too"),
        ({"oidc-issuer": "https://localhost:8443/realms/people"}, "name an address of Keycloak that Pods reach too"),
        ({"oidc-ca": "nowhere.crt"}, "nowhere.crt, which is no file"),
        ({"oidc-isuer": "x"}, "did you mean oidc-issuer?"),
    ],
)
def test_half_a_keycloak_and_one_that_no_pod_reaches_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, str | None], sentence: str
) -> None:
    given = {key: text for key, text in {**keycloak_settings(tmp_path), **changes}.items() if text is not None}
    words = [word for key, text in given.items() for word in ("--set", f"{key}={text}")]
    assert run(["up", "--target", "kind", "--dry-run", *words]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


def test_a_dry_run_names_the_issuer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "kind.yaml"
    file.write_text(yaml.safe_dump(keycloak_settings(tmp_path)))
    assert run(["up", "--target", "kind", "--dry-run", "--environment", str(file)]) == 0
    printed = capsys.readouterr().out
    assert "the default tenant trusts https://idp.example:8443/realms/people, a Keycloak\n" in printed
    assert "never shown" not in printed
    assert run(["up", "--target", "kind", "--dry-run"]) == 0
    assert "/realms/maas, the issuer beside the gateway\n" in capsys.readouterr().out


def test_a_dry_run_prints_every_step_and_creates_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, state_home: Path
) -> None:
    state = tmp_path / "out"
    words = [
        "--set",
        "name=trial",
        "--set",
        "base-image=debian:12",
        "--set",
        "index-url=https://pypi.example.com/simple",
    ]
    assert (
        run(
            [
                "up",
                "--target",
                "kind",
                "--dry-run",
                "--state-dir",
                str(state),
                "--set",
                "image-archive=" + str(archive(tmp_path)),
                *words,
            ]
        )
        == 0
    )
    with_archive = capsys.readouterr().out
    assert "kind create cluster --name trial --config" in with_archive
    assert f"kind load image-archive {archive(tmp_path)} --name trial" in with_archive
    assert "docker build" not in with_archive
    assert run(["up", "--target", "kind", "--dry-run", "--state-dir", str(state), *words]) == 0
    built = capsys.readouterr().out
    assert "--build-arg BASE_IMAGE=debian:12 --build-arg PIP_INDEX_URL=https://pypi.example.com/simple" in built
    assert "kind load docker-image maas-conformance/reference:dev --name trial" in built
    assert "Gateway API CRDs v1.3.0" in built
    assert built.rstrip().endswith("--name trial")
    assert "kind delete cluster" in built
    assert not state.exists()
    assert not state_home.exists()


def archive(folder: Path) -> Path:
    path = folder / "reference.tar"
    path.write_text("")
    return path
