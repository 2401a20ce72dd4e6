/** A figure: one avatar in three dress codes (looks, parts, weights), on bones that can be posed. */

import * as THREE from "three";
import type { Avatar, Look } from "./avatar.ts";
import type { BodyFacts } from "./types.ts";

export type Dress = "looks" | "parts" | "weights" | "plain";

const CLAY = new THREE.Color("#c4beb6");
/** Light to dark, so that colour-blind eyes see the order too; the browns of ColorBrewer's PuOr. */
const RAMP = ["#cdd2d9", "#f3c969", "#e08214", "#b35806", "#7f3b08"].map((c) => new THREE.Color(c));

export class Figure {
  readonly group = new THREE.Group();
  readonly bones: THREE.Bone[];
  private readonly skeleton: THREE.Skeleton;
  private readonly body: BodyFacts;
  private readonly looks: THREE.SkinnedMesh[] = [];
  private readonly sheet: THREE.SkinnedMesh;
  private readonly corners: Uint32Array;
  private avatar: Avatar;

  constructor(body: BodyFacts, avatar: Avatar) {
    this.body = body;
    this.avatar = avatar;
    this.corners = avatar.faces;
    this.bones = body.parts.map(() => new THREE.Bone());
    body.parent.forEach((parent, part) => (parent < 0 ? this.group : this.bones[parent]).add(this.bones[part]));
    this.skeleton = new THREE.Skeleton(this.bones);
    const geometry = new THREE.BufferGeometry();
    const n = this.corners.length;
    geometry.setAttribute("position", new THREE.BufferAttribute(new Float32Array(3 * n), 3));
    geometry.setAttribute("color", new THREE.BufferAttribute(new Uint8Array(3 * n), 3, true));
    geometry.setAttribute("skinIndex", new THREE.BufferAttribute(new Uint8Array(4 * n), 4));
    geometry.setAttribute("skinWeight", new THREE.BufferAttribute(new Float32Array(4 * n), 4));
    const material = new THREE.MeshLambertMaterial({ vertexColors: true, flatShading: true, side: THREE.DoubleSide });
    this.sheet = this.added(new THREE.SkinnedMesh(geometry, material));
    this.setAvatar(avatar);
  }

  /** Wear the looks of the finished file. */
  setLooks(looks: Look[]): void {
    for (const look of looks) {
      const geometry = look.geometry.clone();
      geometry.setAttribute("skinIndex", new THREE.BufferAttribute(new Uint8Array(4 * look.count), 4));
      geometry.setAttribute("skinWeight", new THREE.BufferAttribute(new Float32Array(4 * look.count), 4));
      const mesh = this.added(new THREE.SkinnedMesh(geometry, matte(look.material)));
      mesh.userData.start = look.start;
      this.looks.push(mesh);
    }
    this.setAvatar(this.avatar, false);
  }

  /** Take the shape, bones and weights of an avatar with the same triangles. */
  setAvatar(avatar: Avatar, sheet = true): void {
    const moved = avatar.positions !== this.avatar.positions;
    this.avatar = avatar;
    this.setRest(avatar.joints);
    for (const mesh of this.looks) this.fill(mesh, avatar, moved);
    if (sheet) this.fillSheet(avatar);
  }

  /** Put the bones to these places, unbent. */
  setRest(joints: ArrayLike<number>): void {
    this.body.parent.forEach((parent, part) => {
      const bone = this.bones[part];
      bone.quaternion.identity();
      bone.position.set(joints[3 * part], joints[3 * part + 1], joints[3 * part + 2]);
      if (parent >= 0) bone.position.sub(new THREE.Vector3().fromArray(joints as number[], 3 * parent));
    });
    this.group.updateMatrixWorld(true);
    this.skeleton.calculateInverses();
  }

  /** Show the parts of faces. */
  paintParts(facePart: Uint8Array): void {
    const colours = this.colours();
    // Vertex colours are linear, the palette is sRGB.
    const palette = this.body.colours.map(([r, g, b]) => new THREE.Color().setRGB(r / 255, g / 255, b / 255, THREE.SRGBColorSpace).toArray().map((x) => 255 * x));
    for (let corner = 0; corner < this.corners.length; corner++) colours.set(palette[facePart[(corner / 3) | 0]], 3 * corner);
    this.sheet.geometry.getAttribute("color").needsUpdate = true;
  }

  /** Show the weights of one part, light where it has no say, dark where it has all. */
  paintWeights(part: number): void {
    const colours = this.colours();
    const { skinJoints, skinWeights } = this.avatar;
    const mixed = new THREE.Color();
    for (let corner = 0; corner < this.corners.length; corner++) {
      const vertex = this.corners[corner];
      let weight = 0;
      for (let k = 4 * vertex; k < 4 * vertex + 4; k++) if (skinJoints[k] === part) weight += skinWeights[k];
      const place = Math.min(weight, 0.9999) * (RAMP.length - 1);
      mixed.copy(RAMP[place | 0]).lerp(RAMP[(place | 0) + 1], place % 1);
      colours[3 * corner] = 255 * mixed.r;
      colours[3 * corner + 1] = 255 * mixed.g;
      colours[3 * corner + 2] = 255 * mixed.b;
    }
    this.sheet.geometry.getAttribute("color").needsUpdate = true;
  }

  wear(dress: Dress): void {
    const looks = dress === "looks" && this.looks.length > 0;
    for (const mesh of this.looks) mesh.visible = looks;
    this.sheet.visible = !looks;
    if (dress === "plain" || (dress === "looks" && !looks)) {
      const clay = [CLAY.r, CLAY.g, CLAY.b].map((x) => 255 * x);
      const colours = this.colours();
      for (let corner = 0; corner < this.corners.length; corner++) colours.set(clay, 3 * corner);
      this.sheet.geometry.getAttribute("color").needsUpdate = true;
    }
  }

  dispose(): void {
    for (const mesh of [...this.looks, this.sheet]) {
      mesh.geometry.dispose();
      (mesh.material as THREE.Material).dispose();
    }
    this.skeleton.dispose();
    this.group.removeFromParent();
  }

  private colours(): Uint8Array {
    return this.sheet.geometry.getAttribute("color").array as Uint8Array;
  }

  private added(mesh: THREE.SkinnedMesh): THREE.SkinnedMesh {
    mesh.bind(this.skeleton, new THREE.Matrix4());
    mesh.frustumCulled = false;
    this.group.add(mesh);
    return mesh;
  }

  private fill(mesh: THREE.SkinnedMesh, avatar: Avatar, moved: boolean): void {
    const start = mesh.userData.start as number;
    const position = mesh.geometry.getAttribute("position");
    const end = start + position.count;
    mesh.geometry.setAttribute(
      "position", new THREE.BufferAttribute(avatar.positions.slice(3 * start, 3 * end), 3),
    );
    if (moved || !mesh.geometry.getAttribute("normal")) mesh.geometry.computeVertexNormals();
    set(mesh, "skinIndex", avatar.skinJoints.subarray(4 * start, 4 * end));
    set(mesh, "skinWeight", avatar.skinWeights.subarray(4 * start, 4 * end));
  }

  private fillSheet(avatar: Avatar): void {
    const n = this.corners.length;
    const positions = new Float32Array(3 * n);
    const index = new Uint8Array(4 * n);
    const weight = new Float32Array(4 * n);
    for (let corner = 0; corner < n; corner++) {
      const vertex = this.corners[corner];
      for (let k = 0; k < 3; k++) positions[3 * corner + k] = avatar.positions[3 * vertex + k];
      for (let k = 0; k < 4; k++) {
        index[4 * corner + k] = avatar.skinJoints[4 * vertex + k];
        weight[4 * corner + k] = avatar.skinWeights[4 * vertex + k];
      }
    }
    set(this.sheet, "position", positions);
    set(this.sheet, "skinIndex", index);
    set(this.sheet, "skinWeight", weight);
  }
}

function set(mesh: THREE.SkinnedMesh, name: string, values: Uint8Array | Float32Array): void {
  const attribute = mesh.geometry.getAttribute(name) as THREE.BufferAttribute;
  (attribute.array as Float32Array).set(values);
  attribute.needsUpdate = true;
}

/** A material without gloss: cheap enough for software renderers, and metal without surroundings
 * would be black. */
function matte(material: THREE.Material): THREE.Material {
  const from = material as THREE.MeshStandardMaterial;
  return new THREE.MeshLambertMaterial({
    map: from.map ?? null, color: from.color ?? new THREE.Color("white"), side: THREE.DoubleSide,
    vertexColors: from.vertexColors, transparent: from.transparent, opacity: from.opacity,
    alphaTest: from.alphaTest, emissive: from.emissive ?? new THREE.Color(0), emissiveMap: from.emissiveMap ?? null,
  });
}
