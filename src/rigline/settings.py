"""Settings: from the environment, one ``RIGLINE_`` variable for each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path, user_data_path
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from rigline.errors import InvalidInput
from rigline.formats.isolation import Isolation
from rigline.formats.limits import MIB, Limits
from rigline.inference.endpoint_address import LOCAL, parse_endpoints, parse_limits
from rigline.inference.exposition import parse_ports
from rigline.storage.s3_location import Encryption, S3Location, bucket_and_prefix, is_s3

Port = Annotated[int, Field(ge=1, le=65535)]
Backend = Literal["embedded", "triton"]
_DEFAULTS = Limits()


def _checked_by(parse: Callable[[str], object]) -> Callable[[str], str]:
    """A validator that lets through what a parser accepts."""

    def check(text: str) -> str:
        try:
            parse(text)
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        return text

    return check


class Settings(BaseSettings):
    """What differs between a laptop and an installation. Read when made, never at import."""

    model_config = SettingsConfigDict(
        env_prefix="RIGLINE_", env_ignore_empty=True, extra="ignore", frozen=True
    )

    store: Annotated[str, BeforeValidator(lambda s: str(s) if isinstance(s, Path) else s)] = Field(
        default_factory=lambda: str(user_cache_path("rigline") / "store"),
        description="Where artifacts are kept: a folder, or s3://bucket/prefix.",
    )
    s3_endpoint: str | None = Field(
        default=None, description="Address of an S3 server that is not Amazon's."
    )
    s3_region: str | None = Field(default=None, description="Region of the bucket.")
    s3_encryption: Encryption = Field(
        default="none", description="Encryption asked for; none leaves it to the bucket's default."
    )
    s3_kms_key: str | None = Field(
        default=None, description="Key of the encryption aws:kms; by default the account's own."
    )
    database: str = Field(
        default_factory=lambda: f"sqlite:///{user_data_path('rigline') / 'ledger.db'}",
        description="The ledger of jobs and tickets: sqlite:////folder/ledger.db or "
        "postgresql://user@host/name.",
    )
    models: Path | None = Field(
        default=None, description="Model repository; by default the one that came with Rigline."
    )
    backend: Backend = Field(
        default="embedded",
        description="Where the models run: in this process, or on Triton servers.",
    )
    endpoints: Annotated[str, AfterValidator(_checked_by(parse_endpoints))] = Field(
        default=LOCAL,
        description="The Triton servers, separated by commas: onprem://host:8001?limit=16 or "
        "cloud://host:8001?limit=64&tls=true&ca=FILE.",
    )
    embedded_fallback: bool = Field(
        default=False, description="Whether this process runs the models when no server is alive."
    )
    inference_deadline_s: Annotated[float, Field(gt=0)] = Field(
        default=60.0, description="How long one model call may take, all attempts and waits in."
    )
    inference_attempt_s: Annotated[float, Field(gt=0)] = Field(
        default=20.0, description="How long one server may take before another is asked."
    )
    pipeline_limits: Annotated[str, AfterValidator(_checked_by(parse_limits))] = Field(
        default="",
        description="How many model calls of a pipeline one process has under way at most: "
        "avatar-auto-setup=8,other=2.",
    )
    metrics_port: Annotated[str, AfterValidator(_checked_by(parse_ports))] = Field(
        default="",
        description="Where a process that asks Triton serves its Prometheus metrics: 9400, or "
        "9400-9415 of which each process takes the first that is free.",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="Address on which the metrics are served."
    )
    triton_home: Path = Field(
        default_factory=lambda: user_data_path("rigline") / "triton",
        description="Where rigline serve keeps Triton's environment and logs.",
    )
    intake: str = Field(
        default="",
        description="The folder or s3://bucket/prefix whose new files become jobs by themselves.",
    )
    pipelines: str = Field(
        default="", description="Pipelines of your own: module:NAME, with commas between."
    )
    policy: Path | None = Field(
        default=None, description="Policy file; by default config/policies/default.toml."
    )
    threads: Annotated[int, Field(ge=0)] = Field(
        default=1, description="Threads of one model call; 0 leaves the choice to ONNX Runtime."
    )
    stack: Path = Field(
        default_factory=lambda: user_data_path("rigline") / "stack",
        description="Folder of rigline up: what runs, logs, Prefect's own data.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address on which rigline up listens; nothing asks there who somebody is.",
    )
    prefect_port: Port = Field(default=4200, description="Prefect's server and UI.")
    ui_port: Port = Field(default=8501, description="The review app, when rigline up starts it.")
    triton_port: Port = Field(
        default=8000, description="Triton's HTTP; gRPC and metrics take the two ports after it."
    )
    flow_runs: Annotated[int, Field(ge=1)] = Field(
        default_factory=lambda: os.cpu_count() or 1,
        description="How many flow runs rigline up's worker has under way at once.",
    )
    model_calls: Annotated[int, Field(ge=1)] = Field(
        default_factory=lambda: os.cpu_count() or 1,
        description="How many stages that ask one model may run at once under Prefect.",
    )
    start_limit_s: Annotated[float, Field(gt=0)] = Field(
        default=120.0, description="How long a server of rigline up may take to be ready."
    )
    isolate_readers: bool = Field(
        default=True, description="Read files in a process of their own, with limits."
    )
    reader_memory_mib: Annotated[int, Field(gt=0)] = Field(
        default=4096, description="What reading one file may take, in MiB, beyond the program."
    )
    reader_seconds: Annotated[float, Field(gt=0)] = Field(
        default=120.0, description="How long reading one file may take."
    )
    reuse_rig: bool = Field(
        default=True, description="Keep a file's own rig and weights where they are plausible."
    )
    max_triangles: Annotated[int, Field(gt=0)] = _DEFAULTS.max_triangles
    max_bytes: Annotated[int, Field(gt=0)] = _DEFAULTS.max_bytes

    @property
    def database_file(self) -> Path | None:
        """The file of a SQLite database; none for a database server."""
        kind, _, path = self.database.partition("///")
        return Path(path) if kind.startswith("sqlite") and path else None

    @property
    def limits(self) -> Limits:
        """What a file that is read may ask for."""
        return Limits(max_triangles=self.max_triangles, max_bytes=self.max_bytes)

    @property
    def isolation(self) -> Isolation | None:
        """The limits of the process that reads files; None where this process reads them."""
        if not self.isolate_readers:
            return None
        return Isolation(self.reader_memory_mib * MIB, self.reader_seconds)

    @property
    def store_folder(self) -> Path | None:
        """The folder of the artifact store; none when it lies elsewhere."""
        return None if is_s3(self.store) else Path(self.store)

    def s3_location(self, address: str) -> S3Location:
        """Where ``s3://bucket/prefix`` lies, reached as these settings say."""
        return S3Location(
            *bucket_and_prefix(address),
            endpoint=self.s3_endpoint,
            region=self.s3_region,
            encryption=self.s3_encryption,
            kms_key=self.s3_kms_key,
        )


def load_settings(**chosen: Any) -> Settings:
    """The settings of the environment, with some chosen otherwise.

    Raises ``InvalidInput`` that names each variable that is wrong.
    """
    try:
        return Settings(**chosen)
    except ValidationError as error:
        wrong = "; ".join(
            f"RIGLINE_{str(fault['loc'][0]).upper()}={fault['input']!r}: {fault['msg']}"
            for fault in error.errors()
        )
        raise InvalidInput(f"The settings cannot be used: {wrong}.") from error
