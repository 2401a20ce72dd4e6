"""Where the parts come together: settings to services, pipelines by name, one job as a whole."""

from __future__ import annotations

import importlib
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rigline.backends import open_models
from rigline.engine.artifact_store import ArtifactStore
from rigline.engine.pipeline import Pipeline
from rigline.engine.stage import Models
from rigline.engine.stage_run import StageRun, Workbench, run_pipeline
from rigline.errors import InvalidInput
from rigline.pipelines.avatar_auto_setup import AVATAR_AUTO_SETUP
from rigline.pipelines.avatar_marketplace import AVATAR_MARKETPLACE
from rigline.pipelines.avatar_outcome import AVATAR_JOBS, MARKETPLACE_JOBS, Outcome, conclude
from rigline.pipelines.cage_template_file import TEMPLATE_CODEC, read_template
from rigline.pipelines.job_kind import FinishedRun, JobKind, JobKinds, kind_of
from rigline.pipelines.marketplace_options import MarketplaceOptions
from rigline.pipelines.report import AssetEntry
from rigline.settings import Settings, load_settings
from rigline.storage.local import LocalStore
from rigline.storage.memory import MemoryStore
from rigline.triage.policy import Policy
from rigline.triage.subject import Subject

if TYPE_CHECKING:
    from rigline.db.ledger import Ledger

KIND_OF_PRESET: Final = MappingProxyType(
    {"development": AVATAR_JOBS, "marketplace": MARKETPLACE_JOBS}
)
"""Avatar set-up by preset: one mesh with the input's geometry, or fifteen closed parts."""

KINDS: Final[JobKinds] = {kind.pipeline.name: kind for kind in KIND_OF_PRESET.values()}
"""The kinds of jobs that come with Rigline."""


@dataclass(frozen=True)
class Services:
    """What every job of one installation shares."""

    store: ArtifactStore
    models: Models
    policy: Policy
    settings: Settings
    kinds: JobKinds = field(default_factory=lambda: KINDS)


def in_memory(services: Services) -> Services:
    """The same services with an empty artifact store of their own, which keeps nothing on disk."""
    return replace(services, store=MemoryStore())


def open_services(settings: Settings | None = None) -> Services:
    """The services that the settings name. Opens no connection and loads no model yet.

    Raises ``InvalidInput`` for settings that cannot be.
    """
    settings = settings or load_settings()
    models = open_models(settings)
    policy = load_policy(settings.policy)
    return Services(open_store(settings), models, policy, settings, load_kinds(settings.pipelines))


def load_kinds(named: str = "") -> JobKinds:
    """The kinds of jobs: Rigline's own, and those ``named`` as ``module:NAME,module:NAME``.

    Each name is that of a :class:`JobKind` or a :class:`Pipeline`. Raises ``InvalidInput`` for what
    cannot be imported or is neither.
    """
    kinds = dict(KINDS)
    for place in filter(None, (part.strip() for part in named.split(","))):
        kind = _imported_kind(place)
        kinds[kind.pipeline.name] = kind
    return kinds


def _imported_kind(place: str) -> JobKind:
    module, _, name = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput(
            f"The pipeline {place} cannot be imported: {error}.",
            remedy="RIGLINE_PIPELINES names each as module:NAME; is the module on PYTHONPATH?",
        ) from error
    if isinstance(found, Pipeline):
        return JobKind(found)
    if not isinstance(found, JobKind):
        raise InvalidInput(f"{place} is neither a pipeline nor a kind of jobs, but {found!r:.80}.")
    return found


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
    location = settings.s3_location(settings.store)
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


def avatar_pipeline(
    settings: Settings, preset: str = "development", options: MarketplaceOptions | None = None
) -> Pipeline:
    """The pipeline of avatar set-up as settings and preset want it; options are the marketplace's.

    Raises ``InvalidInput`` for an unknown preset, and for options where the preset has none.
    """
    if preset not in KIND_OF_PRESET:
        raise InvalidInput(
            f"There is no preset {preset!r}.", remedy=f"Use {' or '.join(KIND_OF_PRESET)}."
        )
    if options is not None and preset != "marketplace":
        raise InvalidInput(
            f"The preset {preset} has no body type, proportions, atlas or cage template.",
            remedy="Give them with --preset marketplace.",
        )
    limits = {"max_triangles": settings.max_triangles, "max_bytes": settings.max_bytes}
    reuse = {"reuse_rig": settings.reuse_rig}
    isolation: dict[str, Any] = {}
    if settings.isolation is not None:
        isolation = {"isolation": asdict(settings.isolation)}
    chosen = (options or MarketplaceOptions()).params() if preset == "marketplace" else {}
    return KIND_OF_PRESET[preset].pipeline.with_params(
        {"ingest": {"limits": limits, **isolation}, "rig": reuse, "skin": reuse, **chosen}
    )


def pipeline_named(
    services: Services, name: str, preset: str = "development",
    options: MarketplaceOptions | None = None,
) -> Pipeline:  # fmt: skip
    """The pipeline of that name as the settings want it; ``InvalidInput`` when there is none.

    Of avatar set-up's pipelines ``preset`` picks one where it is not the name that does; other
    pipelines have no preset and no options.
    """
    if name == AVATAR_AUTO_SETUP.name:
        return avatar_pipeline(services.settings, preset, options)
    if name == AVATAR_MARKETPLACE.name:
        return avatar_pipeline(services.settings, "marketplace", options)
    if options is not None:
        raise InvalidInput(
            f"The pipeline {name} has no body type, proportions, atlas or cage template.",
            remedy="Give them with --preset marketplace.",
        )
    return kind_of(services.kinds, name).pipeline


def keep_cage_template(services: Services, data: bytes, name: str) -> str:
    """Put the cage template in a file into the store; its sha256 there, for the options.

    Jobs name it by that, so that they run wherever the store is. The same template from a file of
    another format may be another artifact. Raises ``InvalidInput`` for a file that holds none.
    """
    settings = services.settings
    try:
        template = read_template(data, name, settings.limits, settings.isolation)
    except InvalidInput as error:
        raise InvalidInput(f"{name} cannot be the cage template: {error}") from error
    return services.store.put(TEMPLATE_CODEC.encode(template))


def set_up_avatar(
    services: Services,
    data: bytes,
    name: str,
    preset: str = "development",
    on_stage: Callable[[StageRun], None] = lambda run: None,
    options: MarketplaceOptions | None = None,
) -> Outcome:
    """Run avatar set-up over one file, in this process and without a ledger.

    The asset's hash draws the audit sample, and no override of the policy applies.

    Raises ``InvalidInput`` when the file cannot be used, and what else the stages raise.
    """
    pipeline = avatar_pipeline(services.settings, preset, options)
    bench = Workbench(services.store, services.models, name)
    asset = AssetEntry(name=name, sha256=services.store.put(data), bytes=len(data))
    runs = run_pipeline(pipeline, asset.sha256, bench, on_stage)
    subject = Subject(asset.sha256)
    return conclude(FinishedRun(pipeline, bench, asset, runs, services.policy, subject))


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
