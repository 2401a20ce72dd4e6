// For each skinned mesh of a scene its vertices in the world, as three.js deforms them after the bones
// by name were turned by quaternions.
import { Vector3 } from "three";

export function deform(scene, turns) {
  for (const [name, turn] of Object.entries(turns)) {
    scene.getObjectByName(name).quaternion.set(...turn);
  }
  scene.updateMatrixWorld(true);
  const found = {};
  scene.traverse((object) => {
    if (!object.isSkinnedMesh) return;
    object.skeleton.update();
    const positions = object.geometry.attributes.position;
    const vertex = new Vector3();
    found[object.name] = [];
    for (let i = 0; i < positions.count; i += 1) {
      vertex.fromBufferAttribute(positions, i);
      object.applyBoneTransform(i, vertex).applyMatrix4(object.matrixWorld);
      found[object.name].push(vertex.toArray());
    }
  });
  return found;
}
