"""What tests of a run's end make up: checks that do not end by themselves, and a target that marks its existence by a file."""

from tests.engine.conftest import Suite

SLOW = """
@pytest.fixture
def world(tmp_path_factory):
    open("world-is-up-" + str(os.getpid()), "w").close()
    yield
    open("world-is-down-" + str(os.getpid()), "w").close()

@check("MAAS-LIST-001")
@pytest.mark.parametrize("n", range(4))
def test_slow(world, n):
    time.sleep(600)
"""

TARGET = """
from contextlib import contextmanager
from pathlib import Path
from harness.outcome import EnvironmentFault
from harness.platforms.platform import Endpoints, Platform

@contextmanager
def open_platform(options, progress):
    progress("opening")
    if "refuse" in options.settings:
        raise EnvironmentFault("no Docker on this machine: install it, or use --target embedded")
    marker = Path(options.settings["marker"])
    marker.touch()
    try:
        yield Platform(
            target="kind", stack=options.stack,
            endpoints=Endpoints(gateway="http://127.0.0.1:9", management="http://127.0.0.1:9/maas-api"), startup_s=0.25,
        )
    finally:
        progress("closing")
        marker.unlink()
        if "stuck" in options.settings:
            raise EnvironmentFault("namespace x is still terminating")
"""


def options_of(suite: Suite, target: str = TARGET) -> list[str]:
    """Options that open the made-up target of this source in place of kind; its marker is `open` in the suite's folder."""
    source = (
        f"import sys, types\nmodule = types.ModuleType('harness.platforms.kind')\nexec({target!r}, module.__dict__)\n"
    )
    (suite.folder / "made_up.py").write_text(source + "sys.modules[module.__name__] = module\n", encoding="utf-8")
    return ["-p", "made_up", "--maas-target", "kind", "--maas-set", f"marker={suite.folder / 'open'}"]
