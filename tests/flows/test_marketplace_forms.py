"""The marketplace's options on the forms of the deployments: offered, refused, and in the job."""

from __future__ import annotations

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
from rigline.errors import InvalidInput
from rigline.pipelines.marketplace_options import HELP, AtlasPx
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


def test_what_the_form_says_is_in_the_job_with_the_template_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIGLINE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("RIGLINE_DATABASE", f"sqlite:///{tmp_path / 'ledger.db'}")
    with opened_ledger() as ledger:
        ledger.upgrade()
    template = tmp_path / "mine.glb"
    template.write_bytes(avatar_glb(good_avatar()))
    options = filled_in(services(), "slender", "keep", 512, str(template))
    job = _submitted(template, "marketplace", options, "ann", None, 0)
    assert job.params["fit"] == {"body_type": "slender", "proportions": "keep"}
    assert job.params["bake"] == {"atlas_px": 512}
    assert services().store.get(job.params["assemble"]["cage_template"])
    with pytest.raises(InvalidInput, match="marketplace"):
        _submitted(template, "development", options, "ann", None, 0)
    assert filled_in(services(), "normal", "fit", 1024, "") is None
