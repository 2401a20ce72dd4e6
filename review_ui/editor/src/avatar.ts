/** The values of an avatar's artifacts, as arrays in the canonical frame. */

import type { BufferGeometry, Material, SkinnedMesh } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { asInts, fetchArtifact, readTensors } from "./artifacts.ts";
import type { Artifacts } from "./types.ts";

/** One primitive of the finished file: its own vertices are `start` and following of the whole. */
export interface Look {
  geometry: BufferGeometry;
  material: Material;
  start: number;
  count: number;
}

/** `positions (N, 3)`, `faces (M, 3)`, parts by vertex and face, joints, weights, cage, points. */
export interface Avatar {
  positions: Float32Array;
  faces: Uint32Array;
  part: Uint8Array;
  facePart: Uint8Array;
  joints: Float32Array;
  skinJoints: Uint8Array;
  skinWeights: Float32Array;
  cage: Float32Array;
  attachments: Float32Array;
}

const TENSORS: Record<string, (t: ReturnType<typeof readTensors>) => Partial<Avatar>> = {
  orient: (t) => ({ positions: Float32Array.from(t.vertices as Float64Array), faces: asInts(t.faces) }),
  segment: (t) => ({ part: t.part as Uint8Array, facePart: t.face_part as Uint8Array }),
  rig: (t) => ({ joints: Float32Array.from(t.joints as Float64Array) }),
  skin: (t) => ({ skinJoints: t.joints as Uint8Array, skinWeights: t.weights as Float32Array }),
  cage: (t) => ({ cage: Float32Array.from(t.vertices as Float64Array) }),
  attach: (t) => ({ attachments: Float32Array.from(t.positions as Float64Array) }),
};

export const SHOWN_STAGES = Object.keys(TENSORS);

/** The avatar of these artifacts, all of which are there. */
export async function loadAvatar(artifacts: Artifacts): Promise<Avatar> {
  return (await changesOf(artifacts)) as Avatar;
}

/** What the artifacts given say, and nothing else. */
export async function changesOf(artifacts: Artifacts): Promise<Partial<Avatar>> {
  const stages = SHOWN_STAGES.filter((stage) => artifacts[stage]);
  const read = stages.map(async (stage) => TENSORS[stage](readTensors(await fetchArtifact(artifacts[stage]!))));
  return Object.assign({}, ...(await Promise.all(read)));
}

/** The primitives of the finished file with their materials and textures, in order.
 *
 * None where the file's vertices are not the avatar's own `vertices`, as in a body cut into parts. */
export async function loadLooks(artifacts: Artifacts, vertices: number): Promise<Look[]> {
  const file = await fetchArtifact(artifacts.assemble!);
  const gltf = await new GLTFLoader().parseAsync(file, "");
  const looks: Look[] = [];
  let start = 0;
  gltf.scene.traverse((object) => {
    const mesh = object as SkinnedMesh;
    if (!mesh.isSkinnedMesh) return;
    const count = mesh.geometry.getAttribute("position").count;
    looks.push({ geometry: mesh.geometry, material: mesh.material as Material, start, count });
    start += count;
  });
  return start === vertices ? looks : [];
}

/** Fetch all that a ticket needs, ahead of time; what fails now is asked for again later. */
export function prefetch(artifacts: Artifacts): void {
  for (const stage of [...SHOWN_STAGES, "assemble"]) {
    const artifact = artifacts[stage];
    if (artifact) void fetchArtifact(artifact).catch(() => undefined);
  }
}
