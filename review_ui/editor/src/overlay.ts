/** Joints, bones and attachments over the canvas, as elements that take a pointer and the keyboard. */

import { svg } from "./dom.ts";
import type { Stage3D } from "./stage3d.ts";
import type { BodyFacts } from "./types.ts";

export interface Marks {
  joints: ArrayLike<number>;
  attachments: ArrayLike<number>;
  doubtful: Set<number>;
  moved: Set<string>;
  selected: string | null;
  showJoints: boolean;
  showAttachments: boolean;
  brush: { x: number; y: number; r: number } | null;
}

export interface MarkEvents {
  grab(name: string, event: PointerEvent): void;
  select(name: string): void;
}

export class Overlay {
  readonly root: SVGSVGElement;
  private readonly body: BodyFacts;
  private readonly bones: SVGLineElement[] = [];
  private readonly joints: SVGGElement[] = [];
  private readonly points: SVGGElement[] = [];
  private readonly brush: SVGCircleElement;

  constructor(body: BodyFacts, events: MarkEvents) {
    this.body = body;
    this.root = svg("svg", { class: "overlay" });
    body.parent.forEach((parent) => this.bones.push(this.root.appendChild(svg("line", { class: "bone", visibility: parent < 0 ? "hidden" : null }))));
    body.attachments.forEach((name) => this.points.push(this.mark("attachment", name, name.replace("_Att", ""), events)));
    body.parts.forEach((name, part) => this.joints.push(this.mark("joint", name, words(body.joints[part]), events)));
    this.brush = this.root.appendChild(svg("circle", { class: "brush", visibility: "hidden" }));
  }

  private mark(kind: "joint" | "attachment", name: string, label: string, events: MarkEvents): SVGGElement {
    const shape = kind === "joint" ? svg("circle", { class: "dot", r: 5.5 }) : svg("rect", { class: "dot", x: -4, y: -4, width: 8, height: 8, transform: "rotate(45)" });
    const group = svg(
      "g",
      {
        class: kind, tabindex: 0, role: "button", "aria-label": `${label} ${kind}`, [`data-${kind}`]: name,
        onpointerdown: (e: PointerEvent) => events.grab(name, e), onfocus: () => events.select(name),
      },
      svg("circle", { class: "reach", r: 12 }), svg("circle", { class: "halo", r: 11 }), shape,
      svg("text", { class: "name", x: 14, y: 4 }, label),
    );
    return this.root.appendChild(group);
  }

  /** Put every mark where it belongs for the camera as it is. */
  place(stage: Stage3D, marks: Marks): void {
    const at = this.body.parts.map((_, part) => stage.project(marks.joints, 3 * part));
    this.joints.forEach((group, part) => {
      const name = this.body.parts[part];
      this.dress(group, at[part], marks.showJoints, name, marks);
      group.classList.toggle("doubtful", marks.doubtful.has(part));
    });
    this.bones.forEach((line, part) => {
      const parent = this.body.parent[part];
      line.style.display = marks.showJoints && parent >= 0 ? "" : "none";
      if (parent < 0) return;
      line.setAttribute("x1", String(at[parent].x));
      line.setAttribute("y1", String(at[parent].y));
      line.setAttribute("x2", String(at[part].x));
      line.setAttribute("y2", String(at[part].y));
    });
    this.points.forEach((group, row) => {
      this.dress(group, stage.project(marks.attachments, 3 * row), marks.showAttachments, this.body.attachments[row], marks);
    });
    this.brush.setAttribute("visibility", marks.brush ? "visible" : "hidden");
    if (marks.brush) {
      this.brush.setAttribute("cx", String(marks.brush.x));
      this.brush.setAttribute("cy", String(marks.brush.y));
      this.brush.setAttribute("r", String(marks.brush.r));
    }
  }

  focus(name: string): void {
    [...this.joints, ...this.points].find((g) => g.dataset.joint === name || g.dataset.attachment === name)?.focus();
  }

  private dress(group: SVGGElement, at: { x: number; y: number; ahead: boolean }, shown: boolean, name: string, marks: Marks): void {
    group.style.display = shown && at.ahead ? "" : "none";
    group.setAttribute("transform", `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})`);
    group.classList.toggle("moved", marks.moved.has(name));
    group.classList.toggle("selected", marks.selected === name);
  }
}

/** `LeftElbow` as people say it. */
export function words(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
}
