"""Settings: from the environment, one ``RIGLINE_`` variable for each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_cache_path
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from rigline.formats.limits import Limits

Backend = Literal["embedded", "triton"]
_DEFAULTS = Limits()


class Settings(BaseSettings):
    """What differs between a laptop and an installation. Read when made, never at import."""

    model_config = SettingsConfigDict(env_prefix="RIGLINE_", extra="ignore", frozen=True)

    store: Path = Field(
        default_factory=lambda: user_cache_path("rigline") / "store",
        description="Folder of the artifact store.",
    )
    models: Path | None = Field(
        default=None, description="Model repository; by default the one that came with Rigline."
    )
    backend: Backend = "embedded"
    policy: Path | None = Field(
        default=None, description="Policy file; by default config/policies/default.toml."
    )
    threads: Annotated[int, Field(ge=0)] = Field(
        default=1, description="Threads of one model call; 0 leaves the choice to ONNX Runtime."
    )
    max_triangles: Annotated[int, Field(gt=0)] = _DEFAULTS.max_triangles
    max_bytes: Annotated[int, Field(gt=0)] = _DEFAULTS.max_bytes
