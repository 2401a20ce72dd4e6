/** What a reviewer has changed: plain values, with undo and redo, and their way into operations. */

import type { BodyFacts, Op, Ops, Vec3 } from "./types.ts";

/** Positions by name or number; `labels` gives vertices to parts; `front` is a direction. */
export interface Edits {
  joints: Record<string, Vec3>;
  labels: Record<number, number>;
  cage: Record<number, Vec3>;
  attachments: Record<string, Vec3>;
  front: Vec3 | null;
}

export const NO_EDITS: Edits = Object.freeze({
  joints: {}, labels: {}, cage: {}, attachments: {}, front: null,
});

const MAX_STEPS = 200;
const MAX_CAGE_OPS_VERTICES = 5000;

/** The edits of one ticket. Every change is one step; listeners hear of each. */
export class History {
  private past: Edits[] = [];
  private future: Edits[] = [];
  now: Edits;
  private readonly changed: (edits: Edits) => void;

  constructor(start: Edits, changed: (edits: Edits) => void) {
    this.now = start;
    this.changed = changed;
  }

  /** Take a new state of the edits as one step. */
  take(next: Edits): void {
    this.past.push(this.now);
    if (this.past.length > MAX_STEPS) this.past.shift();
    this.future = [];
    this.now = next;
    this.changed(next);
  }

  undo(): boolean {
    return this.go(this.past, this.future);
  }

  redo(): boolean {
    return this.go(this.future, this.past);
  }

  get canUndo(): boolean {
    return this.past.length > 0;
  }

  get canRedo(): boolean {
    return this.future.length > 0;
  }

  private go(from: Edits[], to: Edits[]): boolean {
    const next = from.pop();
    if (!next) return false;
    to.push(this.now);
    this.now = next;
    this.changed(next);
    return true;
  }
}

/** How many things are changed: joints, attachments, cage vertices, the labels and the front. */
export function countEdits(edits: Edits): number {
  return (
    Object.keys(edits.joints).length + Object.keys(edits.attachments).length +
    Number(Object.keys(edits.cage).length > 0) + Number(Object.keys(edits.labels).length > 0) +
    Number(edits.front !== null)
  );
}

/** The edits as operations of the correction format, by stage. Another front voids the places. */
export function opsOf(edits: Edits, body: BodyFacts): Ops {
  const ops: Ops = {};
  if (edits.front) ops.orient = [{ op: "set_front", front: rounded(edits.front) }];
  const labels = labelOps(edits.labels, body);
  if (labels.length) ops.segment = labels;
  const joints = Object.entries(edits.joints).map(
    ([joint, position]): Op => ({ op: "move_joint", joint, position: rounded(position) }),
  );
  if (joints.length) ops.rig = joints;
  const cage = Object.entries(edits.cage).slice(0, MAX_CAGE_OPS_VERTICES);
  if (cage.length) {
    const vertices = cage.map(([vertex]) => Number(vertex));
    ops.cage = [{ op: "move_cage_vertices", vertices, positions: cage.map(([, p]) => rounded(p)) }];
  }
  const points = Object.entries(edits.attachments).map(
    ([attachment, p]): Op => ({ op: "move_attachment", attachment, position: rounded(p) }),
  );
  if (points.length) ops.attach = points;
  return ops;
}

/** The position mirrored in the plane x = middle. */
export function mirrored(position: Vec3, middle = 0): Vec3 {
  return [2 * middle - position[0], position[1], position[2]];
}

/** The edits with a joint moved, and its counterpart to the mirror image if `mirror` is given. */
export function withJoint(
  edits: Edits, body: BodyFacts, part: number, to: Vec3, mirror: { middle: number } | null,
): Edits {
  const joints = { ...edits.joints, [body.parts[part]]: to };
  const other = body.mirror[part];
  if (mirror && other !== part) joints[body.parts[other]] = mirrored(to, mirror.middle);
  return { ...edits, joints };
}

function labelOps(labels: Record<number, number>, body: BodyFacts): Op[] {
  const byPart = new Map<number, number[]>();
  for (const [vertex, part] of Object.entries(labels)) {
    const known = byPart.get(part);
    if (known) known.push(Number(vertex));
    else byPart.set(part, [Number(vertex)]);
  }
  return [...byPart].map(([part, vertices]) => ({ op: "relabel", part: body.parts[part], vertices }));
}

/** Six digits are a hundred-thousandth of the height at least; no number has an exponent then. */
function rounded(v: Vec3): Vec3 {
  return v.map((x) => Math.round(x * 1e6) / 1e6) as Vec3;
}
