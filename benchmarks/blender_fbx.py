"""A rigged GLB exported as FBX by Blender, in many ways; needs an environment with bpy.

python blender_fbx.py RIGGED.glb WAYS.json OUT_FOLDER

``WAYS.json`` holds for each name the ``options`` of the exporter and what is done to the ``scene``
before: ``unit_m``, the length of its unit; ``armature_scale`` and ``armature_turn`` (degrees about
the vertical), left on the armature as artists leave them; ``posed``, whether elbows and knees bend;
``bone_shapes``, whether the importer may add the sphere that it draws bones as, a mesh like others.
"""

import json
import math
import sys
from pathlib import Path

import bpy
from mathutils import Matrix


def main(rigged: str, ways: str, folder: str) -> None:
    for name, way in json.loads(Path(ways).read_text()).items():
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = way.get("scene", {})
        shapes = scene.pop("bone_shapes", False)
        bpy.ops.import_scene.gltf(filepath=rigged, disable_bone_shape=not shapes)
        _arrange(**scene)
        bpy.ops.export_scene.fbx(
            filepath=str(Path(folder) / f"{name}.fbx"),
            object_types={"ARMATURE", "MESH"},
            bake_anim=False,
            **way.get("options", {}),
        )


def _arrange(
    unit_m: float = 1.0,
    armature_scale: float = 1.0,
    armature_turn: float = 0.0,
    posed: bool = False,
) -> None:
    bpy.context.scene.unit_settings.scale_length = unit_m
    armature = next(o for o in bpy.data.objects if o.type == "ARMATURE")
    placed = Matrix.Rotation(math.radians(armature_turn), 4, "Z") @ Matrix.Scale(armature_scale, 4)
    # What hangs under the armature comes along; the world is as before but for this.
    armature.matrix_world = placed @ armature.matrix_world
    if posed:
        for bone in armature.pose.bones:
            if "Lower" in bone.name and "Torso" not in bone.name:
                bone.rotation_mode = "XYZ"
                bone.rotation_euler = (0.6, 0.0, 0.0)
    bpy.context.view_layer.update()


if __name__ == "__main__":
    main(*sys.argv[1:])
