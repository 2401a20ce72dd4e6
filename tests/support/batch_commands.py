"""``rigline batch`` as a process of its own, on a cluster and a store that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config

from tests.support.servers import S3Server
from tests.support.trivial_jobs import PLACE, write_policy

BUCKET = "batches"
PATIENCE_S = 240.0


@dataclass
class Installation:
    """Where a batch of texts runs: its folder, store, ledger, and the log of computed stages."""

    folder: Path
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "RIGLINE_STORE": str(self.folder / "store"),
            "RIGLINE_DATABASE": f"sqlite:///{self.folder / 'ledger.db'}",
            "RIGLINE_POLICY": str(write_policy(self.folder)),
            "RIGLINE_PIPELINES": PLACE,
            "TRIVIAL_LOG": str(self.folder / "computed.log"),
            "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.extra,
        }

    @property
    def dest(self) -> str:
        store = self.env["RIGLINE_STORE"]
        return f"{store}-out" if store.startswith("s3://") else str(self.folder / "out")

    def write(self, texts: Sequence[str]) -> None:
        (self.folder / "in").mkdir()
        for number, text in enumerate(texts):
            (self.folder / "in" / f"{number:04}.txt").write_text(text)

    def command(self, *arguments: object) -> list[str]:
        program = "from rigline.cli import main; main()"
        return [sys.executable, "-c", program, *(str(a) for a in arguments)]

    def batch(self, *arguments: object) -> list[str]:
        source = (self.folder / "in", "--dest", self.dest, "--pipeline", "words")
        return self.command("batch", *source, "--pattern", "*.txt", "--json", *arguments)

    def ask(self, *arguments: object, codes: Sequence[int] = (0,)) -> Any:
        """What a command prints as JSON."""
        done = subprocess.run(
            self.command(*arguments, "--json"),
            env=self.env, capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode in codes, done.stderr[-3000:]
        return json.loads(done.stdout)

    def computed(self) -> Counter[str]:
        """How often each stage was computed for each text."""
        log = self.folder / "computed.log"
        return Counter(log.read_text().splitlines() if log.exists() else ())

    @contextmanager
    def running(self, command: Sequence[str], log: str) -> Iterator[subprocess.Popen[str]]:
        """A command under way; killed at the end if it is then still there."""
        with (self.folder / log).open("w") as errors:
            process = subprocess.Popen(
                command, env=self.env, stdout=subprocess.PIPE, stderr=errors, text=True
            )
            try:
                yield process
            finally:
                process.kill()
                process.wait()

    def wait_for_computed(self, count: int, process: subprocess.Popen[str]) -> None:
        """Return when so many stages were computed; fail when the process ends before."""
        deadline = time.monotonic() + PATIENCE_S
        while sum(self.computed().values()) < count:
            assert process.poll() is None, "the batch ended too early"
            assert time.monotonic() < deadline, "the batch does not get on"
            time.sleep(0.05)


def make_bucket(server: S3Server) -> None:
    """The bucket of these tests."""
    boto3.session.Session(server.access_key, server.secret_key).client(
        "s3", endpoint_url=server.endpoint, region_name="us-east-1",
        config=Config(retries={"mode": "standard", "total_max_attempts": 8}),
    ).create_bucket(Bucket=BUCKET)  # fmt: skip


def s3_env(server: S3Server) -> dict[str, str]:
    """The environment that leads to a store in that bucket."""
    return {
        "RIGLINE_STORE": f"s3://{BUCKET}/store",
        "RIGLINE_S3_ENDPOINT": server.endpoint,
        "RIGLINE_S3_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
    }


def kill_one_worker(below: int) -> int:
    """SIGKILL one worker among the processes below another."""
    for process in psutil.Process(below).children(recursive=True):
        if process.name().startswith("ray::Worker"):
            os.kill(process.pid, signal.SIGKILL)
            return process.pid
    raise AssertionError("there is no worker to kill")
