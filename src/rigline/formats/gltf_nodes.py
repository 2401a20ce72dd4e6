"""The node tree of a glTF scene: where each mesh stands in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rigline.avatar.mesh import Floats
from rigline.errors import InvalidInput
from rigline.formats.gltf_accessors import MAX_JOINTS, AccessorReader
from rigline.formats.gltf_json import REMEDY, JsonObject
from rigline.formats.limits import Limits
from rigline.formats.warning_log import WarningLog


@dataclass(frozen=True)
class Node:
    """One node: ``world_from_node (4, 4)``, its depth below a root, and what hangs on it."""

    name: str
    world_from_node: Floats
    depth: int
    mesh: int | None
    skin: int | None


@dataclass(frozen=True)
class NodeTree:
    """All nodes of the file by index, and those of the scene that is read, parents first."""

    nodes: tuple[Node, ...]
    scene: tuple[int, ...]


def read_tree(document: JsonObject, limits: Limits) -> NodeTree:
    """The nodes with their world transforms.

    The scene is the file's default scene, else its first, else all root nodes. Raises
    ``InvalidInput`` on cycles, nodes with two parents, and trees too large or too deep.
    """
    count = document.size("nodes")
    if count > limits.max_nodes:
        raise InvalidInput(
            f"The scene has {count} nodes; at most {limits.max_nodes} are read.",
            remedy="Export the character alone.",
            count=count,
            limit=limits.max_nodes,
        )
    raw = [document.item("nodes", index) for index in range(count)]
    children = [node.indices("children") for node in raw]
    parents = _parents(children)
    roots = [index for index in range(count) if parents[index] < 0]
    order = _walk(roots, children, limits.max_depth)
    if len(order) < count:
        raise InvalidInput("The nodes form a cycle.", remedy=REMEDY)
    nodes: dict[int, Node] = {}
    for index, depth in order:
        local = _local(raw[index])
        parent = parents[index]
        world = local if parent < 0 else nodes[parent].world_from_node @ local
        nodes[index] = Node(
            raw[index].text("name"),
            world,
            depth,
            raw[index].optional_integer("mesh"),
            raw[index].optional_integer("skin"),
        )
    scene = _walk(_scene_roots(document, roots), children, limits.max_depth)
    return NodeTree(
        tuple(nodes[index] for index in range(count)), tuple(index for index, _ in scene)
    )


def world_from_bind(
    document: JsonObject,
    accessors: AccessorReader,
    tree: NodeTree,
    skin_index: int,
    warnings: WarningLog,
) -> Floats:
    """``(4, 4)``: places geometry that is in the bind space of a skin.

    It is ``world(j) @ inverse_bind(j)`` for the joint ``j`` nearest to the root of the node tree,
    so that all meshes of one armature share a space and the armature's own scale and axis
    conversion apply. The other joints' poses do not: the character stays in its bind pose.
    """
    skin = document.item("skins", skin_index)
    joints = skin.indices("joints")
    if not joints or len(joints) > MAX_JOINTS or max(joints) >= len(tree.nodes):
        skin.reject("joints", f"a list of 1 to {MAX_JOINTS} nodes of the file")
    chosen = min(range(len(joints)), key=lambda k: tree.nodes[joints[k]].depth)
    world_from_joint = tree.nodes[joints[chosen]].world_from_node
    matrices = skin.optional_integer("inverseBindMatrices")
    if matrices is None:
        return world_from_joint
    joint_from_bind = accessors.floats(matrices, "MAT4")
    if len(joint_from_bind) < len(joints):
        raise InvalidInput(
            f"{skin.where} has {len(joints)} joints but {len(joint_from_bind)} bind matrices.",
            remedy=REMEDY,
        )
    placed: Floats = world_from_joint @ joint_from_bind[chosen].reshape(4, 4).T.astype(np.float64)
    if not np.isfinite(placed).all() or np.linalg.det(placed[:3, :3]) == 0:
        warnings.add("A skin's bind matrix cannot be used; its mesh was taken as it is.")
        return np.eye(4)
    return placed


def _parents(children: list[list[int]]) -> list[int]:
    parents = [-1] * len(children)
    for parent, below in enumerate(children):
        for child in below:
            if child >= len(children):
                raise InvalidInput(
                    f"nodes[{parent}] has child {child}, but there are {len(children)} nodes.",
                    remedy=REMEDY,
                )
            if parents[child] >= 0:
                raise InvalidInput(f"nodes[{child}] has two parents.", remedy=REMEDY, node=child)
            parents[child] = parent
    return parents


def _walk(roots: list[int], children: list[list[int]], max_depth: int) -> list[tuple[int, int]]:
    """``(node, depth)`` below ``roots``, parents first; each node once, or ``InvalidInput``."""
    order: list[tuple[int, int]] = []
    visited: set[int] = set()
    pending = [(root, 0) for root in reversed(roots)]
    while pending:
        index, depth = pending.pop()
        if depth >= max_depth:
            raise InvalidInput(
                f"The nodes are nested more than {max_depth} deep.",
                remedy="Flatten the scene's hierarchy.",
                limit=max_depth,
            )
        if index in visited:
            raise InvalidInput(f"The scene reaches nodes[{index}] twice.", remedy=REMEDY)
        visited.add(index)
        order.append((index, depth))
        pending.extend((child, depth + 1) for child in reversed(children[index]))
    return order


def _scene_roots(document: JsonObject, roots: list[int]) -> list[int]:
    if document.size("scenes") == 0:
        return roots
    scene = document.item("scenes", document.integer("scene", 0))
    named = scene.indices("nodes")
    if len(named) > document.size("nodes") or any(n >= document.size("nodes") for n in named):
        scene.reject("nodes", "a list of nodes of the file")
    return named


def _local(node: JsonObject) -> Floats:
    """``(4, 4)`` parent_from_node; the last row of a matrix is taken as 0, 0, 0, 1."""
    matrix = node.numbers("matrix", 16)
    local = np.eye(4)
    if matrix is not None:
        local[:3] = np.array(matrix).reshape(4, 4).T[:3]
        return local
    x, y, z, w = _unit(node.numbers("rotation", 4) or [0.0, 0.0, 0.0, 1.0])
    rotation = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    local[:3, :3] = np.array(rotation) * np.array(node.numbers("scale", 3) or [1.0, 1.0, 1.0])
    local[:3, 3] = node.numbers("translation", 3) or [0.0, 0.0, 0.0]
    return local


def _unit(quaternion: list[float]) -> list[float]:
    largest = max(abs(value) for value in quaternion)
    if largest == 0:
        return [0.0, 0.0, 0.0, 1.0]
    scaled = np.array(quaternion) / largest
    unit: list[float] = (scaled / np.linalg.norm(scaled)).tolist()
    return unit
