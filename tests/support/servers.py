"""Real servers on loopback, started for tests and stopped with everything they started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_LIMIT_S = 90.0


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, killed as a group at the end; its output goes to ``log``."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=dict(env), cwd=cwd, stdout=out, stderr=out, start_new_session=True
        )
        try:
            yield process
        finally:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, sign)
                    process.wait(10)
                except ProcessLookupError:
                    break
                except subprocess.TimeoutExpired:
                    continue
            process.wait()


def wait_for_http(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when the address answers; fail with the log when the process ends or time is up."""
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"{url} did not answer:\n{log.read_text(errors='replace')[-3000:]}")


@contextmanager
def prefect_server(folder: Path, *, ui: bool = False) -> Iterator[dict[str, str]]:
    """A Prefect server with a home of its own; gives the environment that leads to it."""
    port = free_port()
    env = {
        **os.environ,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "0.2",
    }
    command = [
        sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
        "--port", str(port), *(() if ui else ("--no-ui",)),
    ]  # fmt: skip
    log = folder / "server.log"
    folder.mkdir(parents=True, exist_ok=True)
    with running(command, env, log) as process:
        wait_for_http(f"http://127.0.0.1:{port}/api/health", process, log)
        yield env


@dataclass(frozen=True)
class S3Server:
    """A running S3 server and the keys of its only user."""

    endpoint: str
    access_key: str = "tester"
    secret_key: str = "open-sesame"


def s3_ports() -> dict[str, int]:
    """Free ports for an S3 server, so that one can be started again where it was."""
    return {
        name: free_port()
        for service in ("master", "volume", "filer", "s3")
        for name in (f"{service}.port", f"{service}.port.grpc")
    }


@contextmanager
def s3_server(folder: Path, ports: Mapping[str, int] | None = None) -> Iterator[S3Server]:
    """A SeaweedFS server with its data in a folder, where it finds what it had there before."""
    folder.mkdir(parents=True, exist_ok=True)
    ports = ports or s3_ports()
    server = S3Server(f"http://127.0.0.1:{ports['s3.port']}")
    user = {
        "name": "tester",
        "credentials": [{"accessKey": server.access_key, "secretKey": server.secret_key}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [user]}))
    command = [
        str(Path(sys.executable).with_name("weed")), "mini", f"-dir={folder}", "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1", *(f"-{name}={port}" for name, port in ports.items()),
        f"-s3.config={config}", "-s3.autoCreateBucket=false", "-s3.port.iceberg=0",
        "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false",
    ]  # fmt: skip
    log = folder / "server.log"
    with running(command, os.environ, log, folder) as process:
        wait_for_http(f"{server.endpoint}/healthz", process, log)
        yield server
