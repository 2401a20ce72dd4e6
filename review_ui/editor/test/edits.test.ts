// Plain values of the editor, without a browser: node --test review_ui/editor/test/

import assert from "node:assert/strict";
import { test } from "node:test";
import { readTensors } from "../src/artifacts.ts";
import { countEdits, History, mirrored, NO_EDITS, opsOf, withJoint } from "../src/edits.ts";
import { keyName } from "../src/keys.ts";
import { isSymmetric, limbMiddle, middleOf, pulledCage, relabelled } from "../src/tools.ts";
import type { BodyFacts, Vec3 } from "../src/types.ts";

const body = { parts: ["Head", "LeftHand", "RightHand"], mirror: [0, 2, 1], parent: [-1, 0, 0] } as unknown as BodyFacts;
const joints = [0, 1, 0, 0.5, 0.6, 0.1, -0.4, 0.6, 0.1];

test("a moved joint takes its counterpart to the mirror image", () => {
  const edits = withJoint(NO_EDITS, body, 1, [0.3, 0.5, 0], { middle: 0.05 });
  assert.deepEqual(edits.joints, { LeftHand: [0.3, 0.5, 0], RightHand: [2 * 0.05 - 0.3, 0.5, 0] });
  assert.deepEqual(Object.keys(withJoint(NO_EDITS, body, 1, [0, 0, 0], null).joints), ["LeftHand"]);
  assert.deepEqual(Object.keys(withJoint(NO_EDITS, body, 0, [0, 0, 0], { middle: 0 }).joints), ["Head"]);
  assert.deepEqual(mirrored([0.25, 1, 2], 0.5), [0.75, 1, 2]);
});

test("the middle is the median of the pairs, and a body may be lopsided", () => {
  assert.equal(middleOf(body, joints), 0.04999999999999999);
  assert.equal(isSymmetric(body, joints), true);
  assert.equal(isSymmetric(body, [0, 1, 0, 0.5, 0.9, 0.1, -0.4, 0.6, 0.1]), false);
});

test("edits become operations by stage, in few digits", () => {
  const edits = {
    ...NO_EDITS, joints: { LeftHand: [1 / 3, 0, 0] as Vec3 }, labels: { 7: 2, 9: 2, 8: 0 }, cage: { 4: [0, 0.1, 0] as Vec3 },
    front: [0, 0, -1] as Vec3,
  };
  assert.deepEqual(opsOf(edits, body), {
    orient: [{ op: "set_front", front: [0, 0, -1] }],
    segment: [{ op: "relabel", part: "RightHand", vertices: [7, 9] }, { op: "relabel", part: "Head", vertices: [8] }],
    rig: [{ op: "move_joint", joint: "LeftHand", position: [0.333333, 0, 0] }],
    cage: [{ op: "move_cage_vertices", vertices: [4], positions: [[0, 0.1, 0]] }],
  });
  assert.equal(countEdits(edits), 4);
  assert.deepEqual(opsOf(NO_EDITS, body), {});
});

test("undo and redo walk through the states, and a new edit forgets what was undone", () => {
  const seen: number[] = [];
  const history = new History(NO_EDITS, (edits) => seen.push(countEdits(edits)));
  const one = withJoint(NO_EDITS, body, 1, [0, 0, 0], null);
  history.take(one);
  history.take(withJoint(one, body, 0, [0, 0, 0], null));
  assert.equal(history.undo() && history.undo(), true);
  assert.equal(history.undo(), false);
  assert.equal(history.redo(), true);
  history.take(NO_EDITS);
  assert.equal(history.canRedo, false);
  assert.deepEqual(seen, [1, 2, 1, 0, 1, 0]);
});

test("the middle of a limb lies half way through it", () => {
  const vector = (x: number, y: number, z: number) => ({
    x, y, z, dot: (o: any) => x * o.x + y * o.y + z * o.z, clone: () => vector(x, y, z), add: (o: any) => vector(x + o.x, y + o.y, z + o.z),
    multiplyScalar: (s: number) => vector(s * x, s * y, s * z), toArray: () => [x, y, z],
  });
  const hit = (z: number, normal: number) => ({ distance: 2 - z, point: vector(0, 0, z), face: { normal: vector(0, 0, normal) } });
  const direction = vector(0, 0, -1);
  const hits = [hit(0.2, 1), hit(0.1, -1), hit(-0.5, 1), hit(-0.6, -1)]; // an arm before the trunk
  assert.deepEqual(limbMiddle(hits as any, direction as any), [0, 0, 0.15000000000000002]);
  assert.equal(limbMiddle([], direction as any), null);
});

test("the cage is pulled softly, and its edits stay within bounds", () => {
  const cage = Float32Array.from([0, 0, 0, 0.1, 0, 0, 0.5, 0, 0]);
  const edits = pulledCage(NO_EDITS, cage, 0, [0, 3, 0], 0.2);
  assert.deepEqual(Object.keys(edits.cage), ["0", "1"]);
  assert.equal(edits.cage[0][1], 2);
  assert.ok(Math.abs(edits.cage[1][1] - 1.5) < 1e-6);
});

test("faces take the part of most corners", () => {
  const avatar: any = { facePart: Uint8Array.from([0, 0]), faces: Uint32Array.from([0, 1, 2, 2, 3, 4]), part: new Uint8Array(5) };
  assert.deepEqual([...relabelled(avatar, { 1: 2, 2: 2 })], [2, 0]);
  assert.deepEqual([...relabelled(avatar, {})], [0, 0]);
});

test("safetensors files are read", () => {
  const header = new TextEncoder().encode(JSON.stringify({ a: { dtype: "F64", shape: [2], data_offsets: [0, 16] }, b: { dtype: "U8", shape: [2], data_offsets: [16, 18] } }).padEnd(144));
  const file = new ArrayBuffer(8 + header.length + 18);
  new DataView(file).setBigUint64(0, BigInt(header.length), true);
  new Uint8Array(file).set(header, 8);
  new DataView(file).setFloat64(8 + header.length + 8, 2.5, true);
  new Uint8Array(file).set([7, 9], 8 + header.length + 16);
  const read = readTensors(file);
  assert.deepEqual([...read.a], [0, 2.5]);
  assert.deepEqual([...read.b], [7, 9]);
});

test("keys have the names of the table", () => {
  const key = (key: string, more = {}) => keyName({ key, ctrlKey: false, metaKey: false, shiftKey: false, ...more } as KeyboardEvent);
  assert.deepEqual([key("a"), key(" "), key("?"), key("z", { ctrlKey: true }), key("Z", { metaKey: true, shiftKey: true })], ["A", "Space", "?", "Ctrl+Z", "Ctrl+Shift+Z"]);
});
