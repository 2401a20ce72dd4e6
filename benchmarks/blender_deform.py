"""Blender's deformation of an avatar, for benchmarks.readers; needs an environment with bpy.

python blender_deform.py AVATAR.glb TURNS.json OUT.json
"""

import json
import sys
from pathlib import Path

import bpy
from mathutils import Matrix, Quaternion

# glTF has +Y up, Blender +Z.
BLENDER_FROM_GLTF = Matrix(((1, 0, 0), (0, 0, -1), (0, 1, 0)))


def main(avatar: str, turns: str, out: str) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=avatar)
    armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    for name, (x, y, z, w) in json.loads(Path(turns).read_text()).items():
        bone = armature.pose.bones[name]
        bone.rotation_mode = "QUATERNION"
        turn = Quaternion((w, x, y, z)).to_matrix()
        turn = BLENDER_FROM_GLTF @ turn @ BLENDER_FROM_GLTF.transposed()
        rest = bone.bone.matrix_local.to_3x3()
        bone.rotation_quaternion = (rest.transposed() @ turn @ rest).to_quaternion()
    bpy.context.view_layer.update()
    graph = bpy.context.evaluated_depsgraph_get()
    found = {}
    for thing in bpy.data.objects:
        if thing.type == "MESH" and thing.name.endswith("_Geo"):
            mesh = thing.evaluated_get(graph).to_mesh()
            places = [thing.matrix_world @ vertex.co for vertex in mesh.vertices]
            found[thing.name] = [(p.x, p.z, -p.y) for p in places]
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
