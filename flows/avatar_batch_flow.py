"""Avatar Batch as a Prefect flow: a folder, a bucket or a manifest, on Ray."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from rigline.batch.legs import Wanted
from rigline.batch.run import Request
from rigline.errors import InvalidInput
from tasks.batch_tasks import begun_batch, drive_batch
from tasks.form_help import described
from tasks.marketplace_form import (
    AtlasField,
    BodyTypeField,
    CageTemplateField,
    ProportionsField,
    filled_in,
)
from tasks.services import services

Source = Annotated[
    str | None,
    Field(
        description="A folder, s3://bucket/prefix, or a manifest (.csv, .jsonl, .parquet), as the "
        "workers see it."
    ),
]
Dest = Annotated[
    str | None, Field(description="Where the results go: a folder or s3://bucket/prefix.")
]
Limit = Annotated[int | None, Field(ge=1, description="At most so many files.")]
Resume = Annotated[
    str | None, Field(description="Id of a batch that broke off; then source and dest stay empty.")
]
Patterns = Annotated[list[str] | None, Field(description="Only files named so, such as *.glb.")]
Preset = Annotated[
    Literal["development", "marketplace"],
    Field(description="What avatars must satisfy; other pipelines have none."),
]
Creator = Annotated[str, Field(description="Whose files; policies can treat them apart.")]
PipelineName = Annotated[str, Field(description="What to do with each file.")]
Workers = Annotated[
    int | None, Field(ge=1, description="Workers; by default one for each CPU of the cluster.")
]


def _run_name() -> str:
    asked = flow_run.parameters
    return f"avatar_batch {asked.get('resume') or asked.get('source')}"


@flow(name="avatar_batch", flow_run_name=_run_name, persist_result=False)
@described
def avatar_batch(
    source: Source = None,
    dest: Dest = None,
    limit: Limit = None,
    resume: Resume = None,
    patterns: Patterns = None,
    preset: Preset = "development",
    creator: Creator = "prefect",
    pipeline: PipelineName = "avatar-auto-setup",
    workers: Workers = None,
    body_type: BodyTypeField = "normal",
    proportions: ProportionsField = "fit",
    atlas: AtlasField = 1024,
    cage_template: CageTemplateField = "",
) -> dict[str, Any]:
    """Set up all files of a source, with the Ray cluster of RAY_ADDRESS or this machine's CPUs.

    A file that cannot be used costs itself alone. Killed at any point, a run with ``resume`` goes
    on and repeats no finished stage.
    """
    if resume is None:
        if not source or not dest:
            raise InvalidInput(
                "A batch needs a source and a dest, or one to resume.",
                remedy="Fill in source and dest, or resume.",
            )
        request = Request(
            source, dest, creator, pipeline, tuple(patterns or ()), limit, preset=preset,
            options=filled_in(services(), body_type, proportions, atlas, cage_template),
        )  # fmt: skip
        resume = begun_batch(request)
    return drive_batch(resume, Wanted(workers))
