"""Elements, lists and matrices of ``ufbx``, made safe to hold.

Arrays are copied at once: the library's own views die with the scene.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import numpy as np

from rigline.avatar.mesh import Floats, Ints


class ElementGuard:
    """Makes a scene and its elements immortal.

    ``ufbx`` 0.0.5 counts references wrongly: an element that is asked for twice, or a pass of the
    garbage collector, frees what is in use, and the process dies. So whatever comes out of a scene
    goes through here and is counted once more than it is used, and FBX is read in a process that
    ends with it, without a collector. The version is pinned for as long as this stands.
    """

    def __init__(self, scene: Any) -> None:
        self._count = ctypes.pythonapi.Py_IncRef
        self._count.argtypes = [ctypes.py_object]
        self._count(scene)

    def one(self, element: Any) -> Any:
        """The element, safe to hold; None stays None."""
        if element is not None:
            self._count(element)
        return element

    def all(self, elements: Any) -> Iterator[Any]:
        """The elements of a list, each safe to hold."""
        for k in range(len(elements)):
            yield self.one(elements[k])

    def first(self, elements: Any) -> Any:
        """The first element of a list, None where it is empty."""
        return self.one(elements[0]) if len(elements) else None


def vectors(values: Any) -> Floats:
    """``(n, k)`` float64 of a list of vectors."""
    return np.array(memoryview(values), np.float64) if len(values) else np.zeros((0, 3))


def numbers(values: Any) -> Ints:
    """``(n,)`` int64 of a list of whole numbers."""
    return np.fromiter(values, np.int64, len(values))


def reals(values: Any) -> Floats:
    """``(n,)`` float64 of a list of numbers."""
    return np.fromiter(values, np.float64, len(values))


def rows(faces: Any) -> Ints:
    """``(n, 2)`` first corner and number of corners of each polygon."""
    flat = (value for face in faces for value in (face.index_begin, face.num_indices))
    return np.fromiter(flat, np.int64, 2 * len(faces)).reshape(-1, 2)


def matrix_of(matrix: Any) -> Floats:
    """``(4, 4)`` of a matrix that has four columns of three."""
    found = np.eye(4)
    found[:3] = np.array(matrix, np.float64).reshape(4, 3).T
    return found
