/** The canvas: camera, light, one or two figures side by side, the cage; drawn when asked. */

import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import type { Figure } from "./figure.ts";
import type { Vec3 } from "./types.ts";

export const VIEWS: Record<string, Vec3> = {
  front: [0, 0.05, 1], back: [0, 0.05, -1], left: [1, 0.05, 0], right: [-1, 0.05, 0],
  corner: [0.6, 0.25, 0.8], top: [0, 1, 0.02],
};
const MIDDLE = new THREE.Vector3(0, 0.5, 0);
const DISTANCE = 2.2;

export class Stage3D {
  readonly canvas: HTMLCanvasElement;
  readonly camera = new THREE.PerspectiveCamera(30, 1, 0.02, 30);
  readonly controls: OrbitControls;
  readonly scene = new THREE.Scene();
  private readonly renderer: THREE.WebGLRenderer;
  private readonly raycaster = new THREE.Raycaster();
  private readonly target = new THREE.Mesh(new THREE.BufferGeometry(), new THREE.MeshBasicMaterial({ side: THREE.DoubleSide }));
  private before: Figure | null = null;
  private after: Figure | null = null;
  private readonly cage: THREE.LineSegments;
  private asked = 0;
  private width = 1;
  private height = 1;
  compare = false;
  onDrawn: () => void = () => undefined;
  beforeDraw: (() => boolean) | null = null;

  constructor(canvas: HTMLCanvasElement, cageFaces: number[]) {
    this.canvas = canvas;
    this.renderer = new THREE.WebGLRenderer({ canvas, alpha: true, antialias: true, powerPreference: "low-power" });
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio, 1.5));
    this.scene.add(new THREE.HemisphereLight("#ffffff", "#8d8a92", 1.9));
    const sun = new THREE.DirectionalLight("#ffffff", 1.5);
    sun.position.set(0.6, 1, 0.8);
    this.camera.add(sun);
    this.scene.add(this.camera, ground());
    this.cage = new THREE.LineSegments(new THREE.BufferGeometry(), new THREE.LineBasicMaterial({ color: "#5b8def", transparent: true, opacity: 0.55 }));
    this.cage.geometry.setIndex(edgesOf(cageFaces));
    this.cage.visible = false;
    this.cage.frustumCulled = false;
    this.scene.add(this.cage);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = false;
    this.controls.minDistance = 0.15;
    this.controls.maxDistance = 8;
    this.controls.addEventListener("change", () => this.draw());
    this.look("front");
  }

  /** The camera as numbers, to be kept; `restore` takes them back. */
  get view(): number[] {
    return [...this.camera.position.toArray(), ...this.controls.target.toArray()];
  }

  restore(view: number[]): void {
    this.camera.position.fromArray(view);
    this.controls.target.fromArray(view, 3);
    this.controls.update();
    this.draw();
  }

  look(name: string, at: Vec3 | null = null): void {
    this.controls.target.copy(at ? new THREE.Vector3(...at) : MIDDLE);
    const direction = new THREE.Vector3(...VIEWS[name]).normalize();
    this.camera.position.copy(this.controls.target).addScaledVector(direction, at ? 0.8 : DISTANCE);
    this.controls.update();
    this.draw();
  }

  setFigure(figure: Figure): void {
    this.before?.dispose();
    this.after?.dispose();
    this.before = null;
    this.after = figure;
    this.scene.add(figure.group);
    this.draw();
  }

  /** The figure to stand on the left when two are compared. */
  setBefore(figure: Figure): void {
    this.before?.dispose();
    this.before = figure;
    this.scene.add(figure.group);
    this.draw();
  }

  /** The shape that pointers meet: the body at rest. */
  setShape(positions: Float32Array, faces: Uint32Array): void {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(positions, 3));
    geometry.setIndex(new THREE.BufferAttribute(faces, 1));
    this.target.geometry.dispose();
    this.target.geometry = geometry;
  }

  setCage(vertices: Float32Array, shown: boolean): void {
    this.cage.geometry.setAttribute("position", new THREE.BufferAttribute(vertices, 3));
    this.cage.visible = shown;
    this.draw();
  }

  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.renderer.setSize(this.width, this.height, false);
    this.draw();
  }

  draw(): void {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.drawNow());
  }

  private drawNow(): void {
    this.asked = 0;
    const again = this.beforeDraw?.() ?? false;
    const half = this.compare ? this.width / 2 : this.width;
    this.camera.aspect = half / this.height;
    this.camera.updateProjectionMatrix();
    this.renderer.setScissorTest(this.compare);
    this.show(this.after, this.before);
    if (this.compare) {
      this.renderer.setScissor(half, 0, half, this.height);
      this.renderer.setViewport(half, 0, half, this.height);
      this.renderer.render(this.scene, this.camera);
      this.show(this.before, this.after);
      this.renderer.setScissor(0, 0, half, this.height);
    }
    this.renderer.setViewport(0, 0, half, this.height);
    this.renderer.render(this.scene, this.camera);
    this.onDrawn();
    if (again) this.draw();
  }

  private show(figure: Figure | null, other: Figure | null): void {
    if (figure) figure.group.visible = true;
    if (other) other.group.visible = false;
  }

  /** Where a place of the canonical frame is on the canvas, in CSS pixels; in the right half when
   * two figures stand side by side. */
  project(place: ArrayLike<number>, start = 0): { x: number; y: number; ahead: boolean } {
    const p = new THREE.Vector3(place[start], place[start + 1], place[start + 2]).project(this.camera);
    const half = this.compare ? this.width / 2 : this.width;
    return { x: this.width - half + ((p.x + 1) / 2) * half, y: ((1 - p.y) / 2) * this.height, ahead: p.z < 1 };
  }

  /** The ray under a point of the canvas. */
  aim(x: number, y: number): THREE.Ray {
    const half = this.compare ? this.width / 2 : this.width;
    const at = this.compare ? (x >= half ? x - half : x) : x;
    this.raycaster.setFromCamera(new THREE.Vector2((at / half) * 2 - 1, 1 - (y / this.height) * 2), this.camera);
    return this.raycaster.ray;
  }

  /** What the ray under a point meets of the body, the nearest first. */
  hits(x: number, y: number): THREE.Intersection[] {
    this.aim(x, y);
    return this.raycaster.intersectObject(this.target);
  }

  /** The point under the pointer on the plane through `place` that faces the camera. */
  onPlane(x: number, y: number, place: ArrayLike<number>): Vec3 {
    const normal = this.camera.getWorldDirection(new THREE.Vector3());
    const plane = new THREE.Plane().setFromNormalAndCoplanarPoint(normal, new THREE.Vector3(place[0], place[1], place[2]));
    const found = this.aim(x, y).intersectPlane(plane, new THREE.Vector3());
    return (found ? found.toArray() : [place[0], place[1], place[2]]) as Vec3;
  }

  /** Pixels of the canvas that a length takes at a place. */
  pixels(length: number, place: ArrayLike<number>): number {
    const distance = this.camera.position.distanceTo(new THREE.Vector3(place[0], place[1], place[2]));
    return (length / (2 * distance * Math.tan((this.camera.fov * Math.PI) / 360))) * this.height;
  }

  dispose(): void {
    cancelAnimationFrame(this.asked);
    this.controls.dispose();
    this.before?.dispose();
    this.after?.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
  }
}

function ground(): THREE.Object3D {
  const grid = new THREE.GridHelper(2, 8, "#8a8f98", "#8a8f98");
  (grid.material as THREE.Material).transparent = true;
  (grid.material as THREE.Material).opacity = 0.22;
  return grid;
}

function edgesOf(faces: number[]): number[] {
  const edges: number[] = [];
  const seen = new Set<number>();
  for (let f = 0; f < faces.length; f += 3) {
    for (let k = 0; k < 3; k++) {
      const a = faces[f + k];
      const b = faces[f + ((k + 1) % 3)];
      const id = Math.min(a, b) * 65536 + Math.max(a, b);
      if (!seen.has(id)) edges.push(a, b);
      seen.add(id);
    }
  }
  return edges;
}
