/** What a drag does to the edits: joints, attachments, part labels, the cage. */

import type { Intersection, Vector3 } from "three";
import type { Avatar } from "./avatar.ts";
import { mirrored, withJoint, type Edits } from "./edits.ts";
import type { Stage3D } from "./stage3d.ts";
import type { BodyFacts, Vec3 } from "./types.ts";

const BOUND = 2;
const CAGE_PICK_PX = 14;

/** The middle of the limb under the pointer: half way between where the ray enters the body first
 * and where it leaves it again. Null beside the body. */
export function limbMiddle(hits: Intersection[], direction: Vector3): Vec3 | null {
  const entry = hits.find((hit) => hit.face !== null && hit.face !== undefined);
  if (!entry) return null;
  const exit = hits.find((hit) => hit.distance > entry.distance + 1e-4 && hit.face!.normal.dot(direction) > 0);
  const end = exit ?? entry;
  return entry.point.clone().add(end.point).multiplyScalar(0.5).toArray() as Vec3;
}

/** x of the plane between left and right: the median over the pairs of joints. */
export function middleOf(body: BodyFacts, joints: ArrayLike<number>): number {
  const middles = body.parts
    .map((_, part) => part)
    .filter((part) => body.mirror[part] > part)
    .map((part) => (joints[3 * part] + joints[3 * body.mirror[part]]) / 2)
    .sort((a, b) => a - b);
  return middles[middles.length >> 1] ?? 0;
}

/** Whether left and right joints are mirror images, but for a few: then dragging mirrors. */
export function isSymmetric(body: BodyFacts, joints: ArrayLike<number>, tolerance = 0.04): boolean {
  const middle = middleOf(body, joints);
  const off = body.parts
    .map((_, part) => part)
    .filter((part) => body.mirror[part] > part)
    .map((part) => {
      const [a, b] = [3 * part, 3 * body.mirror[part]];
      return Math.hypot(joints[a] + joints[b] - 2 * middle, joints[a + 1] - joints[b + 1], joints[a + 2] - joints[b + 2]);
    })
    .sort((x, y) => x - y);
  return (off[off.length >> 1] ?? 0) < tolerance;
}

/** Where a joint goes when it is dragged to a point of the canvas. */
export function dragged(stage: Stage3D, x: number, y: number, from: Vec3, snap: boolean): Vec3 {
  const middle = snap ? limbMiddle(stage.hits(x, y), stage.aim(x, y).direction) : null;
  return bounded(middle ?? stage.onPlane(x, y, from));
}

export function moveJoint(edits: Edits, body: BodyFacts, part: number, to: Vec3, joints: ArrayLike<number>, mirror: boolean): Edits {
  return withJoint(edits, body, part, bounded(to), mirror ? { middle: middleOf(body, joints) } : null);
}

export function moveAttachment(edits: Edits, body: BodyFacts, name: string, to: Vec3, middle: number, mirror: boolean): Edits {
  const attachments = { ...edits.attachments, [name]: bounded(to) };
  const twin = name.startsWith("Left") ? name.replace("Left", "Right") : name.replace("Right", "Left");
  if (mirror && twin !== name && body.attachments.includes(twin)) attachments[twin] = bounded(mirrored(to, middle));
  return { ...edits, attachments };
}

/** The vertices under a brush: within `radius` of the hit; duplicates along seams are among them. */
export function brushed(avatar: Avatar, hit: Intersection, radius: number): number[] {
  const { x, y, z } = hit.point;
  const p = avatar.positions;
  const found: number[] = [];
  for (let vertex = 0; 3 * vertex < p.length; vertex++) {
    const d = (p[3 * vertex] - x) ** 2 + (p[3 * vertex + 1] - y) ** 2 + (p[3 * vertex + 2] - z) ** 2;
    if (d <= radius * radius) found.push(vertex);
  }
  // On coarse meshes no vertex may be near: the face that was hit is meant then.
  return found.length ? found : [hit.face!.a, hit.face!.b, hit.face!.c];
}

/** Labels of faces after edits: where a corner was given to a part, the majority of corners. */
export function relabelled(avatar: Avatar, labels: Record<number, number>): Uint8Array {
  const facePart = avatar.facePart.slice();
  if (!Object.keys(labels).length) return facePart;
  const f = avatar.faces;
  const partOf = (vertex: number) => labels[vertex] ?? avatar.part[vertex];
  for (let face = 0; face < facePart.length; face++) {
    const corners = [f[3 * face], f[3 * face + 1], f[3 * face + 2]];
    if (!corners.some((c) => c in labels)) continue;
    const [a, b, c] = corners.map(partOf);
    facePart[face] = b === c ? b : a;
  }
  return facePart;
}

/** The cage vertex nearest to a point of the canvas, -1 when none is near. */
export function cageVertexAt(stage: Stage3D, cage: Float32Array, x: number, y: number): number {
  let best = -1;
  let nearest = CAGE_PICK_PX;
  let depth = Infinity;
  for (let vertex = 0; 3 * vertex < cage.length; vertex++) {
    const at = stage.project(cage, 3 * vertex);
    const off = Math.hypot(at.x - x, at.y - y);
    if (off > CAGE_PICK_PX) continue;
    const far = stage.camera.position.distanceTo({ x: cage[3 * vertex], y: cage[3 * vertex + 1], z: cage[3 * vertex + 2] } as Vector3);
    if (far < depth - 0.03 || (far < depth + 0.03 && off < nearest)) [best, nearest, depth] = [vertex, off, far];
  }
  return best;
}

/** The cage pulled at a vertex by `by`, softly: what is within `radius` follows by a cosine. */
export function pulledCage(edits: Edits, cage: Float32Array, vertex: number, by: Vec3, radius: number): Edits {
  const moved = { ...edits.cage };
  const from = [cage[3 * vertex], cage[3 * vertex + 1], cage[3 * vertex + 2]];
  for (let v = 0; 3 * v < cage.length; v++) {
    const d = Math.hypot(cage[3 * v] - from[0], cage[3 * v + 1] - from[1], cage[3 * v + 2] - from[2]);
    if (d >= radius) continue;
    const share = 0.5 + 0.5 * Math.cos((Math.PI * d) / radius);
    moved[v] = bounded([0, 1, 2].map((k) => cage[3 * v + k] + share * by[k]) as Vec3);
  }
  return { ...edits, cage: moved };
}

function bounded(v: Vec3): Vec3 {
  return v.map((x) => Math.min(BOUND, Math.max(-BOUND, x))) as Vec3;
}
