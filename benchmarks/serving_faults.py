"""What callers notice when one of three servers is killed: errors, and the tail of their waits.

    python -m benchmarks.serving_faults [--clients 8] [--requests 600]

Clients ask three Triton servers for the orientation of a character. First nothing happens; then,
after a third of as many requests, one server is killed with SIGKILL. Prints requests, errors, p50
and p99 of both phases, and their ratio.
"""

from __future__ import annotations

import argparse
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.serving import SAMPLES, record
from rigline.errors import RiglineError
from rigline.inference.fleet import Member
from rigline.inference.gateway import Gateway, GatewayLimits
from rigline.inference.repository import shipped_repository
from rigline.inference.routing import EndpointKind
from rigline.inference.server.environment import make_environment
from rigline.inference.server.process import Ports, ServerPlan, TritonServer, running_server
from rigline.inference.triton import TritonEndpoint
from rigline.settings import load_settings

SERVERS = 3
MODEL = "avatar_orientation"


def phase(
    gateway: Gateway, inputs: dict[str, Any], clients: int, requests: int,
    victim: TritonServer | None,
) -> tuple[list[float], list[str]]:  # fmt: skip
    """Seconds of every request, and what failed; the victim dies after a third of them."""
    done = threading.Semaphore(0)

    def ask(_: int) -> float | str:
        started = time.perf_counter()
        try:
            gateway.infer(MODEL, inputs)
        except RiglineError as error:
            return str(error)
        finally:
            done.release()
        return time.perf_counter() - started

    with ThreadPoolExecutor(clients) as pool:
        futures = [pool.submit(ask, number) for number in range(requests)]
        for _ in range(requests // 3):
            done.acquire()
        if victim is not None:
            victim.kill()
        results = [future.result() for future in futures]
    return [r for r in results if isinstance(r, float)], [r for r in results if isinstance(r, str)]


def main() -> None:
    parser = argparse.ArgumentParser(description="One of three servers is killed under load.")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=600, help="of each phase")
    args = parser.parse_args()
    (avatar,) = record([SAMPLES / "goblin.glb"])
    inputs = next(questions[0] for model, questions in avatar if model == MODEL)
    environment = make_environment(load_settings().triton_home, print)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        servers = [
            stack.enter_context(
                running_server(
                    environment, ServerPlan(shipped_repository(), folder / str(n), Ports.free())
                )
            )
            for n in range(SERVERS)
        ]
        targets = [server.plan.grpc for server in servers]
        members = [Member(t, EndpointKind.ONPREM, 16, TritonEndpoint(t)) for t in targets]
        gateway = Gateway(members, GatewayLimits())
        stack.callback(gateway.close)
        phase(gateway, inputs, args.clients, args.clients * SERVERS, None)
        tails = []
        for name, victim in (("all alive", None), ("one killed", servers[0])):
            seconds, errors = phase(gateway, inputs, args.clients, args.requests, victim)
            p50, p99 = (1e3 * float(np.percentile(seconds, p)) for p in (50, 99))
            tails.append(p99)
            print(f"{name:10s} {len(seconds)} answered, {len(errors)} failed, "
                  f"p50 {p50:.0f} ms, p99 {p99:.0f} ms")  # fmt: skip
        print(f"p99 one killed / all alive: {tails[1] / tails[0]:.2f}")


if __name__ == "__main__":
    main()
