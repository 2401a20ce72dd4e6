"""What the fields of a flow's form are for, said where the form looks for it."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic.fields import FieldInfo

Function = TypeVar("Function", bound=Callable[..., Any])

ARGS = "\nArgs:"


def described(function: Function) -> Function:
    """The function with the ``Field`` descriptions of its parameters under ``Args`` of its
    docstring: Prefect takes the form's help from there alone, and drops those of the fields."""
    doc = cleandoc(function.__doc__ or "")
    lines = [] if ARGS in doc else [ARGS]
    for name, hint in get_type_hints(function, include_extras=True).items():
        extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        lines += [
            f"    {name}: {extra.description}"
            for extra in extras
            if isinstance(extra, FieldInfo) and extra.description
        ]
    function.__doc__ = "\n".join([doc, *lines])
    return function
