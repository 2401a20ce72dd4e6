"""Rigline's own stack as the settings make it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rigline.errors import InvalidInput
from rigline.local import parts
from rigline.local.part import Plan
from rigline.local.parts import plan_stack
from rigline.settings import load_settings

ALWAYS = ["ledger", "prefect", "deployments", "worker", "maintenance"]


def planned(tmp_path: Path, chosen: dict[str, bool] | None = None, **changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "stack": tmp_path / "stack", "store": str(tmp_path / "store"),
        "database": f"sqlite:///{tmp_path / 'ledger.db'}", **changes,
    }  # fmt: skip
    return plan_stack(load_settings(**fields), chosen)


def names(plan: Plan) -> list[str]:
    return [part.name for part in plan.parts]


def test_everything_listens_on_loopback_unless_told_otherwise(tmp_path: Path) -> None:
    for part in planned(tmp_path, {"inference": True}).parts:
        told = [a for a in part.command if a in ("--address", "--host")]
        assert [part.command[part.command.index(a) + 1] for a in told] in ([], ["127.0.0.1"])
        assert bool(told) == bool(part.ports), part.name
    open_wide = planned(tmp_path, host="0.0.0.0").parts[1]
    assert "0.0.0.0" in open_wide.command
    assert open_wide.address == "http://127.0.0.1:4200"


def test_what_parts_stand_on_is_in_the_plan(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert [name for name in names(plan) if name in ALWAYS] == ALWAYS
    for part in plan.parts:
        assert set(part.after) <= set(names(plan))


def test_a_part_whose_entry_is_missing_is_left_out_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "REVIEW_APP", "no_such_app")
    plan = planned(tmp_path)
    left_out = {missing.name: missing.why for missing in plan.left_out}
    assert left_out["review"] == "no_such_app is not there"
    assert set(left_out) == {"inference", "review"}
    assert names(plan) == ALWAYS


@pytest.mark.parametrize("name", ["worker", "triton"])
def test_only_optional_parts_can_be_chosen(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{name}'.*inference or review"):
        planned(tmp_path, {name: False})


def test_ports_are_those_of_the_settings(tmp_path: Path) -> None:
    prefect = planned(tmp_path, prefect_port=4299).parts[1]
    assert prefect.ports == {4299: "RIGLINE_PREFECT_PORT"}
    assert prefect.command[-1] == "4299"


def test_places_hold_in_any_folder_and_prefect_is_led_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", "https://elsewhere.example/api")
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    plan = planned(
        tmp_path, store="artifacts", database="sqlite:///ledger.db", policy=Path("strict.toml")
    )
    environment = plan.environment
    assert environment["RIGLINE_STORE"] == str(tmp_path / "artifacts")
    assert environment["RIGLINE_DATABASE"] == f"sqlite:///{tmp_path / 'ledger.db'}"
    assert environment["RIGLINE_POLICY"] == str(tmp_path / "strict.toml")
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert environment["PREFECT_HOME"] == str(tmp_path / "stack" / "prefect")
    assert "PREFECT_API_KEY" not in environment
    assert environment["PYTHONPATH"].split(":")[0] == str(plan.root)


def test_inference_that_is_taken_in_is_used(tmp_path: Path) -> None:
    assert "inference" in names(planned(tmp_path, backend="triton"))
    plan = planned(tmp_path, {"inference": True}, triton_port=8100)
    assert plan.environment["RIGLINE_BACKEND"] == "triton"
    assert plan.environment["RIGLINE_ENDPOINTS"] == "onprem://127.0.0.1:8101"
    (inference,) = (part for part in plan.parts if part.name == "inference")
    assert list(inference.ports) == [8100, 8101, 8102]
    elsewhere = planned(tmp_path, backend="triton", endpoints="cloud://models.example:8001")
    assert "inference" not in names(elsewhere)


def test_a_password_is_not_told(tmp_path: Path) -> None:
    plan = planned(tmp_path, database="postgresql://rigline:sesame@127.0.0.1/rigline")
    assert "sesame" not in str(plan.about)
    assert "sesame" in plan.environment["RIGLINE_DATABASE"]


def test_outside_a_checkout_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parts, "__file__", str(tmp_path / "a" / "b" / "c" / "parts.py"))
    with pytest.raises(InvalidInput, match="from a checkout"):
        planned(tmp_path)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"prefect.*rigline\[local\]"):
        planned(tmp_path)
