/** Poses in which a bad rig shows; those of rigline.avatar.posing.sweep_poses, in their order. */

import { Quaternion, Vector3 } from "three";
import type { BodyFacts } from "./types.ts";

export type Pose = Map<number, Quaternion>;

const FORWARD = new Vector3(0, 0, 1);
const SIDEWAYS = new Vector3(1, 0, 0);
const UP = new Vector3(0, 1, 0);
const POSE_S = 1.1;

export function sweep(body: BodyFacts, joints: ArrayLike<number>): { name: string; turns: Pose }[] {
  const part = (name: string) => body.parts.indexOf(name);
  const at = (p: number) => new Vector3().fromArray(joints as number[], 3 * p);
  const turn = (axis: Vector3, degrees: number) => new Quaternion().setFromAxisAngle(axis, (degrees * Math.PI) / 180);
  const arms = [part("LeftUpperArm"), part("RightUpperArm")];
  const bone = (p: number) => at(p + 1).sub(at(p));
  const armsTo = (x: number, y: number): Pose =>
    new Map(arms.map((p) => [p, new Quaternion().setFromUnitVectors(bone(p).normalize(), new Vector3(body.side[p] * x, y, 0).normalize())]));
  const elbows: Pose = new Map(arms.map((p) => {
    const axis = bone(p).cross(FORWARD);
    return [p + 1, turn(axis.lengthSq() > 1e-12 ? axis.normalize() : SIDEWAYS, 80)];
  }));
  const legs = [part("LeftUpperLeg"), part("RightUpperLeg")];
  const walk = armsTo(0.2, -0.98);
  walk.set(legs[0], turn(SIDEWAYS, -35)).set(legs[1], turn(SIDEWAYS, 25)).set(legs[1] + 1, turn(SIDEWAYS, 40));
  walk.set(part("Head"), turn(UP, 25));
  return [
    { name: "rest", turns: new Map() },
    { name: "elbows", turns: elbows },
    { name: "arms up", turns: armsTo(0.5, 0.86) },
    { name: "arms down", turns: armsTo(0.2, -0.98) },
    { name: "knees", turns: new Map(legs.map((p) => [p + 1, turn(SIDEWAYS, 80)])) },
    { name: "hips", turns: new Map(legs.map((p) => [p, turn(SIDEWAYS, -60)])) },
    { name: "walk", turns: walk },
  ];
}

export const SWEEP_S = 7 * POSE_S;

/** Turn the bones to the moment `time_s` of a sweep that goes round; the name of the pose there. */
export function poseAt(poses: { name: string; turns: Pose }[], bones: { quaternion: Quaternion }[], time_s: number): string {
  const place = (time_s / POSE_S) % poses.length;
  const from = poses[place | 0];
  const to = poses[((place | 0) + 1) % poses.length];
  const share = place % 1;
  const eased = share * share * (3 - 2 * share);
  const still = new Quaternion();
  bones.forEach((bone, part) => {
    bone.quaternion.copy(from.turns.get(part) ?? still).slerp(to.turns.get(part) ?? still, eased);
  });
  return share < 0.5 ? from.name : to.name;
}
