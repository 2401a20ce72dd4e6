"""How every command ends that cannot do what it was asked."""

from __future__ import annotations

import pytest
import typer

from rigline.cli.console import ExitCode, fail
from rigline.errors import (
    ContractViolation,
    InvalidInput,
    ReviewConflict,
    RiglineError,
    ServiceUnavailable,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ServiceUnavailable("The store is away."), ExitCode.FAILED),
        (ReviewConflict("Bob was faster."), ExitCode.FAILED),
        (InvalidInput("There is no file."), ExitCode.USAGE),
        (ContractViolation("The model gave nothing."), ExitCode.FAILED),
        ("Name a file.", ExitCode.USAGE),
    ],
)
def test_only_a_wrong_command_leaves_with_2(
    error: RiglineError | str, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as left:
        fail(error)
    assert left.value.exit_code == code
    assert capsys.readouterr().err == f"rigline: {error}\n"


def test_a_command_may_say_its_own_code() -> None:
    with pytest.raises(typer.Exit) as left:
        fail("interrupted", ExitCode.FAILED)
    assert left.value.exit_code == ExitCode.FAILED
