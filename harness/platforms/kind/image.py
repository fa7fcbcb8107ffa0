"""The image of the reference platform: this checkout, or the released package of this version, in a base image of one's choice."""

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Final

import harness
from harness.platforms.data import data_folder
from harness.platforms.kind.settings import KindSettings
from harness.platforms.kind.steps import Step

SOURCE: Final = ("pyproject.toml", "README.md", "harness", "mock_vllm", "scenarios", "fixtures", "reports")
"""What the package is made of."""


def build_steps(settings: KindSettings, image: str, context: Path) -> list[Step]:
    """Prepare a build context (Dockerfile, CA, source) and build. Base image, index, CA and proxy are arguments of the build."""
    arguments = {"BASE_IMAGE": settings.base_image}
    if settings.index_url:
        arguments["PIP_INDEX_URL"] = settings.index_url
    arguments |= {
        name: value
        for name, value in (
            ("HTTP_PROXY", settings.http_proxy),
            ("HTTPS_PROXY", settings.https_proxy),
            ("NO_PROXY", settings.no_proxy),
        )
        if value
    }
    arguments |= dict(pair.split("=", 1) for pair in settings.build_args)
    arguments |= {} if _checkout() else {"REQUIREMENT": f"maas-conformance=={version('maas-conformance')}"}
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    given += ["--network", settings.build_network] if settings.build_network else []
    return [
        Step(
            f"prepare the build context {context}",
            text=f"Dockerfile of {data_folder('cluster')}; CA {settings.ca_file or '(none)'}; source {_checkout() or '(released package)'}",
            deed=lambda: prepare(settings, context),
        ),
        Step(f"build {image}", (settings.docker, "build", "--tag", image, *given, str(context)), settings.environment),
    ]


def prepare(settings: KindSettings, context: Path) -> None:
    """Lay out what `docker build` reads: the Dockerfile, a CA (empty without one), and the checkout where this runs from one."""
    source = context / "source"
    source.mkdir(parents=True, exist_ok=True)
    shutil.copy(data_folder("cluster") / "Dockerfile", context / "Dockerfile")
    if settings.ca_file:
        shutil.copy(settings.ca_file, context / "ca.crt")
    else:
        (context / "ca.crt").write_text("", encoding="utf-8")
    checkout = _checkout()
    for origin in [checkout / name for name in SOURCE] if checkout else []:
        if origin.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(origin, source / origin.name, dirs_exist_ok=True, ignore=ignored)
        elif origin.exists():
            shutil.copy(origin, source / origin.name)


def _checkout() -> Path | None:
    """The checkout that this runs from; None in an installed wheel."""
    folder = Path(harness.__file__).resolve().parent.parent
    return folder if (folder / "pyproject.toml").exists() else None
