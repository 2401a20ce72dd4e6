// Prints one JSON object: for each skinned mesh of a GLB, its vertices in the world after the bones
// in a JSON file (quaternions by bone's name) were turned, as three.js deforms it.
import { readFileSync } from "node:fs";
import * as THREE from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { deform } from "./deform.js";

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
const turns = JSON.parse(readFileSync(turnsFile, "utf8"));
process.stdout.write(JSON.stringify(deform(gltf.scene, turns)));
