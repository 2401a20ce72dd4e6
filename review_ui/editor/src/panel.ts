/** The page around the canvas: what is in doubt, what is shown, what can be done. */

import { h, minutes } from "./dom.ts";
import type { Dress } from "./figure.ts";
import type { Doubt, EditorData } from "./types.ts";

export type Tool = "joints" | "brush" | "cage" | "attachments" | "front";

export interface PanelState {
  dress: Dress;
  tool: Tool;
  showJoints: boolean;
  showCage: boolean;
  showAttachments: boolean;
  mirror: boolean;
  snap: boolean;
  playing: boolean;
  compare: boolean;
  brushPart: number;
  selected: string | null;
  edits: number;
  canUndo: boolean;
  canRedo: boolean;
  status: string;
  busy: boolean;
  canAct: boolean;
  note: string;
}

/** Everything that a click on the panel can ask for, by name. */
export type Actions = Record<
  | "approve" | "reject" | "hold" | "skip" | "escalate" | "note" | "help" | "undo" | "redo" | "reset" | "play"
  | "compare" | "mirror" | "snap" | "joints" | "cage" | "attachments" | "claim" | "release" | "inbox" | "job",
  () => void
> & { dress: (d: Dress) => void; tool: (t: Tool) => void; doubt: (d: Doubt) => void; front: (turn: number) => void; part: (p: number) => void };

const DRESSES: [Dress, string, string][] = [["looks", "Look", "T"], ["parts", "Parts", "P"], ["weights", "Weights", "W"], ["plain", "Clay", "D"]];
const TOOLS: [Tool, string, string][] = [["joints", "Joints", "V"], ["brush", "Parts", "L"], ["cage", "Cage", "Y"], ["attachments", "Points", "O"], ["front", "Front", "F"]];

export class Panel {
  readonly root: HTMLElement;
  readonly view = h("div", { class: "view" });
  readonly canvas = h("canvas", { "aria-label": "The avatar in 3D" });
  private readonly caption = h("div", { class: "caption", role: "status", "aria-live": "polite" });
  private readonly halves = h("div", { class: "halves", hidden: true }, h("span", {}, "before"), h("span", {}, "after"));
  private readonly banner = h("div", { class: "banner", role: "alert", hidden: true });
  private readonly veil = h("div", { class: "veil" }, h("div", { class: "spinner" }), h("p", {}, "Loading the avatar…"));
  private readonly title = h("div", { class: "title" });
  private readonly lease = h("span", { class: "lease", title: "Time left on your claim; it renews itself while you work" });
  private readonly doubts = h("ul", { class: "doubts" });
  private readonly options = h("div", { class: "options" });
  private readonly buttons = new Map<string, HTMLButtonElement>();
  private readonly status = h("span", { class: "status", role: "status", "aria-live": "polite" });
  private readonly footer = h("footer", {});
  private readonly toast = h("div", { class: "toast", role: "status", hidden: true });
  private readonly actions: Actions;

  constructor(actions: Actions) {
    this.actions = actions;
    const b = (name: string, label: string, key: string, run: () => void, look = "") => this.button(name, label, key, run, look);
    const show = h("div", { class: "segments", role: "group", "aria-label": "Show the avatar as" }, ...DRESSES.map(([dress, label, key]) => b(`dress-${dress}`, label, key, () => actions.dress(dress))));
    const layers = h("div", { class: "segments", role: "group", "aria-label": "Layers" },
      b("joints", "Joints", "J", actions.joints), b("cage", "Cage", "G", actions.cage), b("attachments", "Points", "X", actions.attachments));
    const tools = h("div", { class: "segments wrap", role: "group", "aria-label": "Edit" }, ...TOOLS.map(([tool, label, key]) => b(`tool-${tool}`, label, key, () => actions.tool(tool))));
    const motion = h("div", { class: "segments", role: "group", "aria-label": "Motion" }, b("play", "Play poses", "Space", actions.play), b("compare", "Before | after", "B", actions.compare));
    this.root = h("div", { class: "editor" },
      h("header", {}, this.title, this.lease, b("undo", "Undo", "Ctrl+Z", actions.undo, "quiet"), b("redo", "Redo", "Ctrl+Shift+Z", actions.redo, "quiet"), b("help", "Keys", "?", actions.help, "quiet")),
      h("aside", {}, h("h2", {}, "In doubt"), this.doubts, h("h2", {}, "Show"), show, layers, h("h2", {}, "Edit"), tools, this.options, h("h2", {}, "Motion"), motion),
      this.view, this.footer);
    this.view.append(this.canvas, this.halves, this.caption, this.banner, this.veil, this.toast);
  }

  /** What the server said of ticket, asset and doubts. */
  setTicket(data: EditorData): void {
    const asset = data.asset!;
    const facts = [`by ${asset.creator}`, asset.batch ? `batch ${asset.batch}` : "", `${asset.triangles.toLocaleString("en")} triangles`,
      asset.confidence === null ? "" : `confidence ${Math.round(100 * asset.confidence)} %`].filter(Boolean);
    this.title.replaceChildren(h("strong", {}, asset.name), h("span", {}, facts.join(" · ")));
    const escalated = data.ticket!.escalation;
    const every: Doubt[] = data.doubts!.length ? data.doubts! : data.ticket!.reasons.map((text) => ({ stage: "", joint: null, text, confidence: 1 }));
    const found = every.filter((d, i) => every.findIndex((e) => e.text === d.text) === i);
    this.doubts.replaceChildren(
      ...(escalated ? [h("li", { class: "told" }, `Escalated: ${escalated}`)] : []),
      ...found.map((d) => h("li", {}, h("button", { type: "button", onclick: () => this.actions.doubt(d) }, h("span", { class: "stage" }, d.stage || "note"), d.text))));
    if (!found.length) this.doubts.append(h("li", { class: "told" }, "Nothing in particular: a sample for the audit."));
    this.fillFooter(data);
  }

  setLease(seconds: number | null): void {
    this.lease.textContent = seconds === null ? "" : `claim ${minutes(seconds)}`;
    this.lease.classList.toggle("short", seconds !== null && seconds < 90);
  }

  setBanner(text: string, action: { label: string; run: () => void } | null = null): void {
    this.banner.hidden = !text;
    this.banner.replaceChildren(h("span", {}, text), ...(action ? [h("button", { type: "button", class: "main", onclick: action.run }, action.label)] : []));
  }

  setToast(text: string, action: { label: string; run: () => void } | null = null): void {
    this.toast.hidden = !text;
    this.toast.replaceChildren(h("span", {}, text), ...(action ? [h("button", { type: "button", onclick: action.run }, action.label)] : []));
  }

  setVeil(text: string | null): void {
    this.veil.hidden = text === null;
    this.veil.lastElementChild!.textContent = text ?? "";
    this.root.dataset.ready = String(text === null);
  }

  setCaption(text: string): void {
    if (this.caption.textContent !== text) this.caption.textContent = text;
  }

  /** Buttons and options as the state wants them. */
  update(state: PanelState, parts: string[], colours: number[][]): void {
    const pressed: Record<string, boolean> = {
      joints: state.showJoints, cage: state.showCage, attachments: state.showAttachments, play: state.playing, compare: state.compare,
      mirror: state.mirror, snap: state.snap,
    };
    for (const [dress] of DRESSES) pressed[`dress-${dress}`] = state.dress === dress;
    for (const [tool] of TOOLS) pressed[`tool-${tool}`] = state.tool === tool;
    this.fillOptions(state, parts, colours);
    for (const [name, button] of this.buttons) {
      if (name in pressed) button.setAttribute("aria-pressed", String(pressed[name]));
    }
    this.halves.hidden = !state.compare;
    this.enable("undo", state.canUndo);
    this.enable("redo", state.canRedo);
    for (const name of ["approve", "reject", "hold", "skip", "escalate"]) this.enable(name, state.canAct && !state.busy);
    const approve = this.buttons.get("approve");
    if (approve) this.relabel(approve, state.edits ? `Accept with ${state.edits} ${state.edits === 1 ? "change" : "changes"}` : "Approve");
    const note = this.buttons.get("note");
    if (note) this.relabel(note, state.note ? "Note ✓" : "Note");
    this.status.textContent = state.status;
    this.root.dataset.busy = String(state.busy);
    this.root.dataset.edits = String(state.edits);
  }

  private fillFooter(data: EditorData): void {
    const ticket = data.ticket!;
    const a = this.actions;
    const rest = [this.button("job", "Job", "", a.job, "quiet"), this.button("inbox", "Inbox", "I", a.inbox, "quiet")];
    const acting = ticket.mine
      ? [this.button("approve", "Approve", "A", a.approve, "main"), this.button("reject", "Reject", "R", a.reject, "bad"), this.button("hold", "Hold", "H", a.hold),
        this.button("skip", "Skip", "K", a.skip), ...(data.lead ? [] : [this.button("escalate", "Escalate", "E", a.escalate)]), this.button("note", "Note", "N", a.note)]
      : data.reviews && ["open", "escalated"].includes(ticket.state) ? [this.button("claim", "Claim", "C", a.claim, "main")] : [];
    this.footer.replaceChildren(...acting, this.status, ...rest);
  }

  private fillOptions(state: PanelState, parts: string[], colours: number[][]): void {
    const key = JSON.stringify([state.tool, state.brushPart, state.tool === "joints" ? state.selected : "", state.edits > 0]);
    if (this.options.dataset.key === key) return;
    this.options.dataset.key = key;
    const a = this.actions;
    const drag = () => [this.button("mirror", "Mirror", "M", a.mirror), this.button("snap", "Snap to middle", "S", a.snap)];
    const rows: Record<Tool, () => Node[]> = {
      joints: () => [h("p", {}, state.selected ? "Drag the joint, or move it by the arrow keys." : "Drag a joint to where the limb bends."), h("div", { class: "segments" }, ...drag())],
      brush: () => [h("p", {}, "Paint what belongs to the part. Brush size: [ and ]."), h("div", { class: "swatches", role: "group", "aria-label": "Part to paint" }, ...parts.map((name, part) => {
        const swatch = h("button", { type: "button", title: name, "aria-label": name, "aria-pressed": String(state.brushPart === part), onclick: () => a.part(part) });
        swatch.style.background = `rgb(${colours[part].join(" ")})`;
        return swatch;
      })), h("p", { class: "picked" }, parts[state.brushPart])],
      cage: () => [h("p", {}, "Pull the cage at a vertex; what is near follows. Reach: [ and ].")],
      attachments: () => [h("p", {}, "Drag an attachment point."), h("div", { class: "segments" }, this.button("mirror", "Mirror", "M", a.mirror))],
      front: () => [h("p", {}, "The character should face you here. Turn it:"), h("div", { class: "segments" },
        this.button("turn-left", "90° left", "", () => a.front(-90)), this.button("turn-back", "Around", "", () => a.front(180)), this.button("turn-right", "90° right", "", () => a.front(90)))],
    };
    this.options.replaceChildren(...rows[state.tool](), ...(state.edits ? [this.button("reset", "Discard all changes", "", a.reset, "quiet")] : []));
  }

  private button(name: string, label: string, key: string, run: () => void, look = ""): HTMLButtonElement {
    const button = h("button", { type: "button", class: look || null, "data-action": name, onclick: run }, h("span", {}, label), key ? h("kbd", {}, key) : null);
    this.buttons.set(name, button);
    return button;
  }

  private relabel(button: HTMLButtonElement, label: string): void {
    if (button.firstElementChild!.textContent !== label) button.firstElementChild!.textContent = label;
  }

  private enable(name: string, on: boolean): void {
    const button = this.buttons.get(name);
    if (button) button.disabled = !on;
  }
}
