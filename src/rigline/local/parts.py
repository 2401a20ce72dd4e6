"""The parts of Rigline's own stack, and the plan of it that the settings make.

Another part is another entry of ``ENTRIES``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rigline.bootstrap import load_kinds, open_ledger
from rigline.errors import InvalidInput
from rigline.inference.endpoint_address import LOCAL
from rigline.local.part import LeftOut, Part, Plan
from rigline.local.probes import PrefectApi, answers
from rigline.settings import Settings

POOL: Final = "rigline"
WORKER: Final = "rigline-up"
LEDGER, PREFECT = "ledger", "prefect"
MAINTENANCE, INFERENCE = "maintenance", "inference"
MADE_ONCE_LIMIT_S: Final = 900.0
"""Triton makes an environment of its own before its first start."""

REVIEW_APP: Final = "review_ui"
PYTHON: Final = (sys.executable, "-m")
FOREIGN: Final = ("PREFECT_API_KEY", "PREFECT_PROFILE", "PREFECT_SERVER_API_HOST")
"""Variables that would lead Prefect elsewhere than to the stack's own server."""


@dataclass(frozen=True)
class Site:
    """Where a stack stands: settings, checkout, the API of its Prefect server."""

    settings: Settings
    root: Path
    api: PrefectApi

    def address(self, port: int) -> str:
        """Where this machine finds a server of the stack."""
        return f"http://{_reachable(self.settings.host)}:{port}"


@dataclass(frozen=True)
class Entry:
    """One part: how it is made, whether these settings want it, and what it lacks, if anything."""

    name: str
    make: Callable[[Site], Part]
    wanted: Callable[[Settings], bool] = lambda settings: True
    lacks: Callable[[Site], str] = lambda site: ""
    optional: bool = False


def plan_stack(settings: Settings, chosen: Mapping[str, bool] | None = None) -> Plan:
    """The stack of a checkout; ``chosen`` takes optional parts in or leaves them out.

    Raises ``InvalidInput`` outside a checkout, without the libraries, for settings that cannot be,
    and for a chosen part that is unknown or cannot be left out.
    """
    chosen = dict(chosen or {})
    _check_choice(chosen)
    site = Site(settings, _checkout(), PrefectApi(f"{_prefect_address(settings)}/api"))
    parts: list[Part] = []
    left_out: list[LeftOut] = []
    for entry in ENTRIES:
        why = (
            ""
            if chosen.get(entry.name, entry.wanted(settings))
            else f"--with {entry.name} takes it in"
        )
        why = why or entry.lacks(site)
        if why:
            left_out.append(LeftOut(entry.name, why))
        else:
            parts.append(entry.make(site))
    folder = settings.stack.absolute()
    about = {
        "ledger": open_ledger(settings).name, "store": _store(settings), "checkout": str(site.root)
    }  # fmt: skip
    environment = _environment(site, folder)
    if INFERENCE in (part.name for part in parts):
        environment |= {
            "RIGLINE_BACKEND": "triton",
            "RIGLINE_ENDPOINTS": f"onprem://{_reachable(settings.host)}:{settings.triton_port + 1}",
        }
    return Plan(site.root, folder, settings.host, environment, tuple(parts), tuple(left_out), about)


def _ledger(site: Site) -> Part:
    return Part(LEDGER, (*PYTHON, "rigline", "db", "upgrade"))


def _prefect(site: Site) -> Part:
    settings = site.settings
    command = (
        *PYTHON, "prefect", "server", "start",
        "--host", settings.host, "--port", str(settings.prefect_port),
    )  # fmt: skip

    def prepare() -> None:
        kinds = load_kinds(settings.pipelines).values()
        models = {m for kind in kinds for stage in kind.pipeline for m in stage.models}
        site.api.make_pool(POOL, settings.flow_runs)
        site.api.limit_tags([f"model:{m}" for m in sorted(models)], settings.model_calls)

    return Part(
        PREFECT, command, answers(f"{site.api.url}/health"),
        address=_prefect_address(settings),
        ports={settings.prefect_port: "RIGLINE_PREFECT_PORT"},
        ready_limit_s=settings.start_limit_s, once_ready=prepare,
    )  # fmt: skip


def _deployments(site: Site) -> Part:
    command = (*PYTHON, "prefect", "--no-prompt", "deploy", "--all")
    return Part("deployments", command, after=(PREFECT,), ready_limit_s=site.settings.start_limit_s)


def _worker(site: Site) -> Part:
    command = (
        *PYTHON, "prefect", "worker", "start",
        "--pool", POOL, "--type", "process", "--name", WORKER, "--install-policy", "never",
    )  # fmt: skip
    return Part(
        "worker", command, site.api.has_worker(POOL, WORKER), after=(LEDGER, PREFECT),
        ready_limit_s=site.settings.start_limit_s,
        first=lambda: site.api.bury_runs(work_pools=POOL),
    )  # fmt: skip


def _maintenance(site: Site) -> Part:
    return Part(
        MAINTENANCE, (*PYTHON, "flows.maintenance_flow"),
        site.api.serves(MAINTENANCE, "default"), after=(LEDGER, PREFECT),
        ready_limit_s=site.settings.start_limit_s,
        first=lambda: site.api.bury_runs(flows=MAINTENANCE),
        once_ready=lambda: site.api.run_now(MAINTENANCE, "default"),
    )  # fmt: skip


def _inference(site: Site) -> Part:
    http, grpc, metrics = (site.settings.triton_port + n for n in range(3))
    command = (
        *PYTHON, "rigline", "serve", "--host", site.settings.host,
        "--http-port", str(http), "--grpc-port", str(grpc), "--metrics-port", str(metrics),
    )  # fmt: skip
    return Part(
        INFERENCE, command, answers(f"{site.address(http)}/v2/health/ready"),
        address=site.address(http), ready_limit_s=MADE_ONCE_LIMIT_S,
        ports=dict.fromkeys((http, grpc, metrics), "RIGLINE_TRITON_PORT"),
    )  # fmt: skip


def _review(site: Site) -> Part:
    settings = site.settings
    command = (
        *PYTHON, REVIEW_APP, "--address", settings.host, "--port", str(settings.ui_port),
    )  # fmt: skip
    address = site.address(settings.ui_port)
    # On one's own machine people are whom they say; anywhere else the app insists on a provider.
    alone = settings.host == "127.0.0.1" and "RIGLINE_UI_OIDC_ISSUER" not in os.environ
    return Part(
        "review", command, answers(f"{address}/_stcore/health"), after=(LEDGER,), address=address,
        ports={settings.ui_port: "RIGLINE_UI_PORT"}, ready_limit_s=settings.start_limit_s,
        variables={"RIGLINE_UI_LOGIN": "development"} if alone else {},
    )  # fmt: skip


def _lacks_of_review(site: Site) -> str:
    if not (site.root / REVIEW_APP).is_dir():
        return f"{REVIEW_APP} is not there"
    for module, remedy in (("streamlit", "make setup"), ("rigline_editor", "make ui")):
        if find_spec(module) is None:
            return f"{module} is not installed, which {remedy} does"
    return ""


ENTRIES: Final = (
    Entry(LEDGER, _ledger),
    Entry(PREFECT, _prefect),
    Entry("deployments", _deployments),
    Entry("worker", _worker),
    Entry(MAINTENANCE, _maintenance),
    Entry(
        INFERENCE, _inference, optional=True,
        wanted=lambda settings: settings.backend == "triton" and settings.endpoints == LOCAL,
        lacks=lambda site: "" if find_spec("rigline.cli.serve") else "rigline serve is not there",
    ),
    Entry("review", _review, lacks=_lacks_of_review, optional=True),
)  # fmt: skip


def _check_choice(chosen: Mapping[str, bool]) -> None:
    missing = [name for name in ("prefect", "psutil") if find_spec(name) is None]
    if missing:
        raise InvalidInput(
            f"The local stack needs the library {missing[0]}.",
            remedy="Run pip install 'rigline[local]'.",
        )
    optional = [entry.name for entry in ENTRIES if entry.optional]
    for name in chosen:
        if name not in optional:
            raise InvalidInput(
                f"{name!r} is no part that can be chosen.",
                remedy=f"Choose {' or '.join(optional)}.",
            )


def _checkout() -> Path:
    """Root of the checkout that this code, or whoever asks, is in."""
    for root in (Path(__file__).resolve().parents[3], Path.cwd()):
        if (root / "prefect.yaml").exists() and (root / "flows").is_dir():
            return root
    raise InvalidInput(
        "The local stack needs Rigline's flows, which the wheel does not have.",
        remedy="Run it from a checkout of Rigline.",
    )


def _environment(site: Site, folder: Path) -> dict[str, str]:
    """What the parts get: the settings, with places that hold in any folder, and Prefect's own."""
    settings = site.settings
    found = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    paths = [str(site.root), *filter(None, [found.get("PYTHONPATH")])]
    defaults = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLI_COLORS": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_RUNNER_POLL_FREQUENCY": "5",
        "PREFECT_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
    }
    places = {"RIGLINE_STORE": _store(settings), "RIGLINE_DATABASE": _database(settings)}
    for name, path in (("RIGLINE_MODELS", settings.models), ("RIGLINE_POLICY", settings.policy)):
        if path is not None:
            places[name] = str(path.absolute())
    return {
        **defaults, **found, **places,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": site.api.url,
    }  # fmt: skip


def _store(settings: Settings) -> str:
    folder = settings.store_folder
    return settings.store if folder is None else str(folder.absolute())


def _database(settings: Settings) -> str:
    file = settings.database_file
    return settings.database if file is None else f"sqlite:///{file.absolute()}"


def _prefect_address(settings: Settings) -> str:
    return f"http://{_reachable(settings.host)}:{settings.prefect_port}"


def _reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on ``host``."""
    return "127.0.0.1" if host in ("0.0.0.0", "") else host
