"""The marketplace's options on the forms of the deployments: offered, refused, and in the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from prefect import Flow
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema

from flows.avatar_auto_setup_flow import _submitted, avatar_auto_setup
from flows.avatar_batch_flow import avatar_batch
from rigline.avatar.body_fit import Proportions
from rigline.avatar.marketplace.rules import BodyType
from rigline.batch.run import Request
from rigline.errors import InvalidInput
from rigline.pipelines.marketplace_options import HELP, AtlasPx
from tasks.batch_tasks import begun_batch
from tasks.marketplace_form import filled_in
from tasks.services import opened_ledger, services
from tests.support.avatar_files import avatar_glb
from tests.support.flawed_avatars import good_avatar

FORMS: list[Flow[Any, Any]] = [avatar_auto_setup, avatar_batch]
FIELDS = {"body_type": BodyType, "proportions": Proportions, "atlas": AtlasPx}
NEEDED = {"file": "hero.glb"}


def asked(form: Flow[Any, Any], **options: Any) -> dict[str, Any]:
    """The parameters of a run, as a form sends them."""
    needed = NEEDED if form is avatar_auto_setup else {"source": "in", "dest": "out"}
    return form.validate_parameters({**needed, "preset": "marketplace", **options})


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_the_form_offers_what_can_be_chosen_and_takes_nothing_else(form: Flow[Any, Any]) -> None:
    fields = parameter_schema(form).properties
    for name, choices in FIELDS.items():
        assert fields[name]["enum"] == list(get_args(choices))
        for choice in get_args(choices):
            assert asked(form, **{name: choice})[name] == choice
        with pytest.raises(ParameterTypeError):
            asked(form, **{name: "finest"})
    assert all(field["description"] for field in fields.values())
    assert fields["body_type"]["description"] == HELP["body_type"]
    assert asked(form, cage_template="mine.glb")["cage_template"] == "mine.glb"


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cage template of one's own, beside an installation of its own."""
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    with opened_ledger() as ledger:
        ledger.upgrade()
    path = tmp_path / "in" / "mine.glb"
    path.parent.mkdir()
    path.write_bytes(avatar_glb(good_avatar()))
    return path


def check_params(params: Mapping[str, Mapping[str, Any]]) -> None:
    assert params["fit"] == {"body_type": "slender", "proportions": "keep"}
    assert params["bake"] == {"atlas_px": 512}
    sha256 = params["assemble"]["cage_template"]
    assert params["validate"]["cage_template"] == sha256
    assert services().store.get(sha256)


def test_what_the_form_says_is_in_the_job_with_the_template_kept(template: Path) -> None:
    options = filled_in(services(), "slender", "keep", 512, str(template))
    check_params(_submitted(template, "marketplace", options, "ann", None, 0).params)
    with pytest.raises(InvalidInput, match="marketplace"):
        _submitted(template, "development", options, "ann", None, 0)
    assert filled_in(services(), "normal", "fit", 1024, "") is None


def test_what_the_form_says_is_in_the_batch(template: Path) -> None:
    options = filled_in(services(), "slender", "keep", 512, str(template))
    source, dest = str(template.parent), str(template.parent.parent / "out")
    asked = Request(source, dest, "ann", preset="marketplace", options=options)
    number = begun_batch(asked)
    with opened_ledger() as ledger, ledger.reading() as work:
        check_params(work.batches.get(number).params)
    with pytest.raises(InvalidInput, match="marketplace"):
        begun_batch(replace(asked, preset="development"))
