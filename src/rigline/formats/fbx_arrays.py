"""Elements, lists and matrices of ``ufbx``, made safe to hold.

Arrays are copied at once: the library's own views die with the scene.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np

from rigline.avatar.mesh import Floats, Ints

_count = ctypes.pythonapi.Py_IncRef
_count.argtypes = [ctypes.py_object]


def kept(value: Any) -> Any:
    """What came out of a scene, made immortal.

    ``ufbx`` 0.0.5 counts references wrongly: an element or a list that is asked for twice, as of a
    mesh that two nodes show, or a pass of the garbage collector, frees what is in use, and the
    process dies or finds something else in its place. So whatever comes out of a scene is counted
    once more than it is used, and FBX is read in a process that ends with it, without a collector.
    The version is pinned for as long as this stands.
    """
    if value is not None:
        _count(value)
    return value


class ElementGuard:
    """Hands out a scene's elements, each ``kept``."""

    def __init__(self, scene: Any) -> None:
        kept(scene)

    def one(self, element: Any) -> Any:
        """The element, safe to hold; None stays None."""
        return kept(element)

    def all(self, elements: Any) -> Iterator[Any]:
        """The elements of a list, each safe to hold."""
        for k in range(len(kept(elements))):
            yield kept(elements[k])

    def first(self, elements: Any) -> Any:
        """The first element of a list, None where it is empty."""
        return kept(elements[0]) if len(kept(elements)) else None


def vectors(values: Any) -> Floats:
    """``(n, k)`` float64 of a list of vectors."""
    return np.array(memoryview(values), np.float64) if len(kept(values)) else np.zeros((0, 3))


def numbers(values: Any) -> Ints:
    """``(n,)`` int64 of a list of whole numbers."""
    return np.fromiter(kept(values), np.int64, len(values))


def reals(values: Any) -> Floats:
    """``(n,)`` float64 of a list of numbers."""
    return np.fromiter(kept(values), np.float64, len(values))


def rows(faces: Any) -> Ints:
    """``(n, 2)`` first corner and number of corners of each polygon."""
    flat = (value for face in kept(faces) for value in (face.index_begin, face.num_indices))
    return np.fromiter(flat, np.int64, 2 * len(faces)).reshape(-1, 2)


def matrix_of(matrix: Any) -> Floats:
    """``(4, 4)`` of a matrix that has four columns of three."""
    found = np.eye(4)
    found[:3] = np.array(matrix, np.float64).reshape(4, 3).T
    return found
