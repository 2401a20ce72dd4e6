"""Where the parts come together: settings to services, pipelines by name, one job as a whole."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rigline.engine.artifact_store import ArtifactStore
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage import Models
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import InvalidInput
from rigline.inference.embedded import EmbeddedModels
from rigline.inference.repository import shipped_repository
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.pipelines.report import AssetEntry, PolicyEntry, Report, build_report
from rigline.settings import Settings, load_settings
from rigline.storage.local import LocalStore
from rigline.storage.memory import MemoryStore
from rigline.storage.s3_location import S3Location, bucket_and_prefix
from rigline.triage.judgement import judge
from rigline.triage.policy import Policy
from rigline.triage.subject import Subject

if TYPE_CHECKING:
    from rigline.db.ledger import Ledger

PRESETS: Final = ("development",)
"""Presets that are there; the rules know ``marketplace`` already, the assembly does not."""


@dataclass(frozen=True)
class Services:
    """What every job of one installation shares."""

    store: ArtifactStore
    models: Models
    policy: Policy
    settings: Settings


def in_memory(services: Services) -> Services:
    """The same services with an empty artifact store of their own, which keeps nothing on disk."""
    return replace(services, store=MemoryStore())


@dataclass(frozen=True)
class Outcome:
    """A finished avatar: its file, its picture and its report."""

    report: Report
    avatar_glb: bytes
    preview_png: bytes


def open_services(settings: Settings | None = None) -> Services:
    """The services that the settings name. Opens no connection and loads no model yet.

    Raises ``InvalidInput`` for settings that cannot be.
    """
    settings = settings or load_settings()
    if settings.backend == "triton":
        raise InvalidInput(
            "The triton backend is not there yet.", remedy="Use the embedded backend."
        )
    models = EmbeddedModels(settings.models or shipped_repository(), settings.threads)
    return Services(open_store(settings), models, load_policy(settings.policy), settings)


def open_store(settings: Settings) -> ArtifactStore:
    """The artifact store that the settings name. Opens no connection yet.

    Raises ``InvalidInput`` for a place that cannot be, or that needs a library which is not there.
    """
    if settings.store_folder is not None:
        if "://" in settings.store:
            raise InvalidInput(
                f"No artifact can be kept in {settings.store}.",
                remedy="Set RIGLINE_STORE to a folder or to s3://bucket/prefix.",
            )
        return LocalStore(settings.store_folder)
    location = S3Location(
        *bucket_and_prefix(settings.store),
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        encryption=settings.s3_encryption,
        kms_key=settings.s3_kms_key,
    )
    try:
        from rigline.storage.s3 import S3Store
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"The store {settings.store} needs the library boto3.",
            remedy="Run pip install 'rigline[s3]'.",
        ) from error
    return S3Store(location)


def open_ledger(settings: Settings) -> Ledger:
    """The ledger that the settings name. Opens no connection yet.

    Raises ``InvalidInput`` for a database that cannot be, or that needs a library which is not
    there.
    """
    try:
        from rigline.db.ledger import Ledger
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"The ledger needs the library {error.name}.",
            remedy="Run pip install 'rigline[db]'.",
        ) from error
    return Ledger(settings.database)


def avatar_pipeline(settings: Settings, preset: str = "development") -> Pipeline:
    """The pipeline of avatar set-up as settings and preset want it."""
    if preset not in PRESETS:
        raise InvalidInput(
            f"The preset {preset!r} is not there yet.", remedy=f"Use {' or '.join(PRESETS)}."
        )
    limits = {"max_triangles": settings.max_triangles, "max_bytes": settings.max_bytes}
    return AVATAR_AUTO_SETUP.with_params(
        {"ingest": {"limits": limits}, "validate": {"preset": preset}}
    )


def set_up_avatar(
    services: Services,
    data: bytes,
    name: str,
    preset: str = "development",
    on_stage: Callable[[StageRun], None] = lambda run: None,
) -> Outcome:
    """Run avatar set-up over one file, in this process.

    Raises ``InvalidInput`` when the file cannot be used, and what else the stages raise.
    """
    pipeline = avatar_pipeline(services.settings, preset)
    bench = Workbench(services.store, services.models, name)
    asset_sha256 = services.store.put(data)
    runs = run_pipeline(pipeline, asset_sha256, bench, on_stage)
    return conclude(
        services, pipeline, bench, AssetEntry(name=name, sha256=asset_sha256, bytes=len(data)), runs
    )


def conclude(
    services: Services,
    pipeline: Pipeline,
    bench: Workbench,
    asset: AssetEntry,
    runs: Mapping[str, StageRun],
    subject: Subject | None = None,
) -> Outcome:
    """Judge a finished run and gather what it made.

    Without a subject the asset's hash draws the audit sample, and no override applies.
    """
    policy = services.policy
    evidence = {name: run.record.evidence for name, run in runs.items()}
    judgement = judge(evidence, policy, subject or Subject(asset.sha256))

    def value(stage: str) -> Any:
        return bench.value(pipeline, stage, runs[stage].sha256)

    report = build_report(
        (pipeline.name, pipeline.version), asset, runs,
        {name: value(name) for name in ("orient", "rig", "validate")}, judgement,
        PolicyEntry(name=policy.name, version=policy.version),
    )  # fmt: skip
    return Outcome(report, value("assemble"), value("picture"))


def load_policy(path: Path | None = None) -> Policy:
    """The policy in a TOML file; without one, the policy that came with Rigline.

    Raises ``InvalidInput`` that names the file and the value that is wrong.
    """
    path = path or _shipped_config() / "policies" / "default.toml"
    try:
        return Policy.model_validate(tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise InvalidInput(
            f"There is no policy {path}.", remedy="Check the path, or RIGLINE_POLICY."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise InvalidInput(f"The policy {path} cannot be used: {error}") from error


def _shipped_config() -> Path:
    packaged = Path(str(resources.files("rigline"))) / "_config"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / "config"
