/** Pointers on the canvas: which drag is going on, and the edits it makes on the way. */

import type { Avatar } from "./avatar.ts";
import type { Edits } from "./edits.ts";
import type { Tool } from "./panel.ts";
import type { Stage3D } from "./stage3d.ts";
import { brushed, cageVertexAt, dragged, middleOf, moveAttachment, moveJoint, pulledCage } from "./tools.ts";
import type { BodyFacts, Vec3 } from "./types.ts";

/** What the pointer needs to know of the editor, and what it tells it. */
export interface Hand {
  readonly stage: Stage3D;
  readonly body: BodyFacts;
  readonly avatar: Avatar;
  readonly tool: Tool;
  readonly mirror: boolean;
  readonly snap: boolean;
  readonly brushPart: number;
  readonly radius: number;
  readonly edits: Edits;
  readonly mayEdit: boolean;
  joints(): Float32Array;
  points(): Float32Array;
  cage(): Float32Array;
  /** Show edits that are still in the making. */
  trial(edits: Edits): void;
  /** Take the edits as one step. */
  take(edits: Edits): void;
  hover(x: number | null, y: number): void;
  select(name: string): void;
}

type Drag = (x: number, y: number, free: boolean) => Edits | null;

export class Pointer {
  private readonly hand: Hand;
  private drag: Drag | null = null;
  private last: Edits | null = null;
  private readonly off: (() => void)[] = [];

  constructor(hand: Hand, view: HTMLElement) {
    this.hand = hand;
    const on = (name: string, heard: (e: PointerEvent) => void, capture = false) => {
      view.addEventListener(name, heard as EventListener, { capture });
      this.off.push(() => view.removeEventListener(name, heard as EventListener, { capture }));
    };
    on("pointerdown", (e) => this.down(e), true);
    on("pointermove", (e) => this.move(e));
    on("pointerup", (e) => this.up(e));
    on("pointercancel", () => this.cancel());
    on("pointerleave", () => this.hand.hover(null, 0));
  }

  get dragging(): boolean {
    return this.drag !== null;
  }

  /** Begin to drag a joint or an attachment by its mark. */
  grab(name: string, event: PointerEvent): void {
    if (!this.hand.mayEdit || event.button !== 0) return;
    this.hand.select(name);
    const { body, hand } = { body: this.hand.body, hand: this.hand };
    const part = body.parts.indexOf(name);
    const start = hand.edits;
    const joints = hand.joints().slice();
    const row = body.attachments.indexOf(name);
    const points = hand.points().slice();
    const source = part >= 0 ? joints : points;
    const at = 3 * (part >= 0 ? part : row);
    const from = [source[at], source[at + 1], source[at + 2]] as Vec3;
    this.begin(event, (x, y, free) => {
      const to = dragged(hand.stage, x, y, from, part >= 0 && hand.snap && !free);
      return part >= 0 ? moveJoint(start, body, part, to, joints, hand.mirror) : moveAttachment(start, body, name, to, middleOf(body, joints), hand.mirror);
    });
  }

  dispose(): void {
    this.off.forEach((off) => off());
  }

  private down(event: PointerEvent): void {
    const mark = (event.target as Element).closest?.("[data-joint], [data-attachment]");
    if (mark || !this.hand.mayEdit || event.button !== 0 || event.shiftKey || event.target !== this.hand.stage.canvas) return;
    const { x, y } = this.place(event);
    if (this.hand.tool === "brush") this.paint(event, x, y);
    if (this.hand.tool === "cage") this.pull(event, x, y);
  }

  private paint(event: PointerEvent, x: number, y: number): void {
    const hand = this.hand;
    if (!hand.stage.hits(x, y).length) return;
    let labels = { ...hand.edits.labels };
    const start = hand.edits;
    this.begin(event, (px, py) => {
      const hit = hand.stage.hits(px, py)[0];
      if (!hit) return null;
      labels = { ...labels };
      for (const vertex of brushed(hand.avatar, hit, hand.radius)) labels[vertex] = hand.brushPart;
      return { ...start, labels };
    });
    this.move(event);
  }

  private pull(event: PointerEvent, x: number, y: number): void {
    const hand = this.hand;
    const cage = hand.cage().slice();
    const vertex = cageVertexAt(hand.stage, cage, x, y);
    if (vertex < 0) return;
    const from = [cage[3 * vertex], cage[3 * vertex + 1], cage[3 * vertex + 2]] as Vec3;
    const start = hand.edits;
    this.begin(event, (px, py) => {
      const to = hand.stage.onPlane(px, py, from);
      return pulledCage(start, cage, vertex, [to[0] - from[0], to[1] - from[1], to[2] - from[2]], 2 * hand.radius);
    });
  }

  private begin(event: PointerEvent, drag: Drag): void {
    event.stopPropagation();
    event.preventDefault();
    (event.currentTarget as Element).setPointerCapture?.(event.pointerId);
    this.hand.stage.controls.enabled = false;
    this.drag = drag;
    this.last = null;
  }

  private move(event: PointerEvent): void {
    const { x, y } = this.place(event);
    this.hand.hover(x, y);
    if (!this.drag) return;
    const edits = this.drag(x, y, event.altKey);
    if (edits) {
      this.last = edits;
      this.hand.trial(edits);
    }
  }

  private up(event: PointerEvent): void {
    if (!this.drag) return;
    this.move(event);
    const edits = this.last;
    this.cancel();
    if (edits) this.hand.take(edits);
  }

  private cancel(): void {
    this.drag = null;
    this.last = null;
    this.hand.stage.controls.enabled = true;
  }

  private place(event: PointerEvent): { x: number; y: number } {
    const box = this.hand.stage.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }
}
