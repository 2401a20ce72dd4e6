// Prints one JSON object: for each skinned mesh of a GLB, its vertices in the world after the bones
// in a JSON file (quaternions by bone's name) were turned, as three.js deforms it.
import { readFileSync } from "node:fs";
import * as THREE from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

globalThis.self = globalThis;
const [file, turnsFile] = process.argv.slice(2);
const data = readFileSync(file);
const loader = new GLTFLoader();
// Node has no images; shapes need none.
loader.register(() => ({ name: "shapes", loadTexture: async () => new THREE.Texture() }));
const gltf = await loader.parseAsync(
  data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
  "",
);
for (const [name, turn] of Object.entries(JSON.parse(readFileSync(turnsFile, "utf8")))) {
  gltf.scene.getObjectByName(name).quaternion.set(...turn);
}
gltf.scene.updateMatrixWorld(true);
const found = {};
gltf.scene.traverse((object) => {
  if (!object.isSkinnedMesh) return;
  object.skeleton.update();
  const positions = object.geometry.attributes.position;
  const vertex = new THREE.Vector3();
  found[object.name] = [];
  for (let i = 0; i < positions.count; i += 1) {
    vertex.fromBufferAttribute(positions, i);
    object.applyBoneTransform(i, vertex).applyMatrix4(object.matrixWorld);
    found[object.name].push(vertex.toArray());
  }
});
process.stdout.write(JSON.stringify(found));
