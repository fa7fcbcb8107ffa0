"""A PostgreSQL server for the store's contract: a container where Docker answers and has the image, else a server installed here.

MAAS_TEST_POSTGRES=container or =installed takes the one and fails where it cannot be had, so that nobody believes to have tried what was not.
MAAS_TEST_POSTGRES_IMAGE names the image; nothing is pulled. Without a registry, `tests/maas_api/image` builds one from Debian's packages.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

CHOICE = os.environ.get("MAAS_TEST_POSTGRES", "")
IMAGE = os.environ.get("MAAS_TEST_POSTGRES_IMAGE", "postgres:16-alpine")
_STEP_S = 60


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The URL of a database that superusers may use. Skips the test, and says why, where no server can be had."""
    assert CHOICE in ("", "container", "installed"), f"MAAS_TEST_POSTGRES is container or installed, came {CHOICE!r}"
    folder = _installed()
    if CHOICE == "container" or (CHOICE == "" and _docker_answers()):
        with _container() as url:
            yield url
    elif folder is not None:
        with _local(folder) as url:
            yield url
    else:
        assert CHOICE == "", "MAAS_TEST_POSTGRES=installed, and no server (initdb, pg_ctl) is installed"
        pytest.skip(f"no PostgreSQL: Docker has no image {IMAGE} and no server (initdb, pg_ctl) is installed")


def _docker_answers() -> bool:
    """Whether a daemon runs and has the image; nothing is pulled, so that a test never waits for a registry."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    with contextlib.suppress(subprocess.TimeoutExpired):
        return (
            subprocess.run([docker, "image", "inspect", IMAGE], capture_output=True, check=False, timeout=10).returncode
            == 0
        )
    return False


@contextlib.contextmanager
def _container() -> Iterator[str]:
    """A container that is removed with the block. Without the reaper, for that is one more image to pull: a killed run leaves its own behind."""
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer(IMAGE, driver=None) as container:
        yield container.get_connection_url()


def _installed() -> Path | None:
    """Folder of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@contextlib.contextmanager
def _local(programs: Path) -> Iterator[str]:
    """A server on a Unix socket alone, in a folder of its own; PostgreSQL refuses root, so root lends it to its account."""
    account = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="maas-pg-") as name:
        folder = Path(name)
        data = folder / "data"
        if account:
            owner = pwd.getpwnam(account)
            os.chown(folder, owner.pw_uid, owner.pw_gid)

        def step(*command: str | Path) -> None:
            log = folder / "steps.log"
            with log.open("ab") as output:
                done = subprocess.run(
                    [str(part) for part in command],
                    user=account,
                    cwd=folder,
                    stdout=output,
                    stderr=output,
                    check=False,
                    timeout=_STEP_S,
                )
            assert done.returncode == 0, log.read_text(errors="replace")

        step(programs / "initdb", "-D", data, "-A", "trust", "-U", "maas", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        step(programs / "pg_ctl", "-D", data, "-w", "-l", folder / "server.log", "-o", options, "start")
        try:
            yield f"postgresql://maas@/postgres?host={folder}"
        finally:
            step(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")


async def empty_database(url: str) -> str:
    """The URL of a new database on the server of `url`."""
    name = f"maas_{uuid.uuid4().hex}"
    admin = make_url(url)
    engine = create_async_engine(admin.set(drivername="postgresql+asyncpg"), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return admin.set(database=name).render_as_string(hide_password=False)
