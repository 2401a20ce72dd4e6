/** The editor of one ticket after another: what it knows, shows, and asks of the server. */

import { changesOf, loadAvatar, loadLooks, prefetch, type Avatar, type Look } from "./avatar.ts";
import { Channel } from "./channel.ts";
import { Dialogs } from "./dialogs.ts";
import { countEdits, History, NO_EDITS, opsOf, type Edits } from "./edits.ts";
import { Figure } from "./figure.ts";
import { listen, type Binding } from "./keys.ts";
import { bindingsOf } from "./bindings.ts";
import { Overlay, words, type Marks } from "./overlay.ts";
import { Panel, type Actions, type PanelState, type Tool } from "./panel.ts";
import { Pointer, type Hand } from "./pointer.ts";
import { poseAt, sweep } from "./poses.ts";
import { basesOf, load, save } from "./session.ts";
import { Stage3D } from "./stage3d.ts";
import { isSymmetric, moveAttachment, moveJoint, middleOf, relabelled } from "./tools.ts";
import type { Artifacts, BodyFacts, Command, Doubt, EditorData, Refusal, Vec3 } from "./types.ts";

const HEARTBEAT_MS = 60_000;
const IDLE_MS = 150_000;
const SETTLE_MS = 60;

export class Editor implements Hand {
  readonly body: BodyFacts;
  readonly stage: Stage3D;
  readonly panel: Panel;
  readonly dialogs: Dialogs;
  avatar!: Avatar;
  private data!: EditorData;
  private base: Avatar | null = null;
  private looks: Look[] = [];
  private figure: Figure | null = null;
  private before: Figure | null = null;
  private history = new History(NO_EDITS, () => undefined);
  private making: Edits | null = null;
  private readonly overlay: Overlay;
  private readonly pointer: Pointer;
  private readonly channel: Channel;
  private readonly off: (() => void)[] = [];
  private readonly previews = new Map<string, Artifacts>();
  private previewing = 0;
  private leaseEnds = 0;
  private undoEnds = 0;
  private active = Date.now();
  private beat = Date.now();
  private started = 0;
  private poses: ReturnType<typeof sweep> = [];
  private at: { x: number; y: number } | null = null;
  private refusal: Refusal | null = null;
  private opened = "";
  private artifacts: Artifacts = {};
  radius = 0.03;
  state: PanelState = {
    dress: "looks", tool: "joints", showJoints: true, showCage: false, showAttachments: false, mirror: true, snap: true, playing: false,
    compare: false, brushPart: 0, selected: null, edits: 0, canUndo: false, canRedo: false, status: "", busy: false, canAct: false, note: "",
  };

  constructor(host: HTMLElement, data: EditorData, trigger: (value: unknown) => void) {
    this.body = data.body!;
    this.channel = new Channel(trigger);
    this.panel = new Panel(this.actions());
    host.replaceChildren(this.panel.root);
    this.dialogs = new Dialogs(this.panel.root);
    this.stage = new Stage3D(this.panel.canvas, this.body.cageFaces);
    this.overlay = new Overlay(this.body, { grab: (name, e) => this.pointer.grab(name, e), select: (name) => this.select(name) });
    this.panel.canvas.after(this.overlay.root);
    this.pointer = new Pointer(this, this.panel.view);
    this.stage.onDrawn = () => this.placeMarks();
    this.stage.beforeDraw = () => this.animate();
    this.stage.controls.addEventListener("end", () => this.keep());
    const sizes = new ResizeObserver(() => this.stage.resize(this.panel.view.clientWidth, this.panel.view.clientHeight));
    sizes.observe(this.panel.view);
    const ticking = window.setInterval(() => this.tick(), 1000);
    const touched = () => (this.active = Date.now());
    for (const name of ["pointerdown", "keydown", "wheel"]) this.panel.root.addEventListener(name, touched);
    this.off.push(() => sizes.disconnect(), () => clearInterval(ticking), listen(() => this.bindings(), () => this.dialogs.isOpen));
  }

  dispose(): void {
    this.off.forEach((off) => off());
    this.pointer.dispose();
    this.stage.dispose();
  }

  /** Take what the server says now. */
  receive(data: EditorData): void {
    const first = this.data?.ticket?.id !== data.ticket!.id;
    const has = Boolean(data.artifacts?.assemble);
    // Whoever loses the claim keeps what they see, and their changes.
    const other = first || (has && JSON.stringify(basesOf(this.artifacts)) !== JSON.stringify(basesOf(data.artifacts!)));
    const regained = !first && this.data !== undefined && !this.data.ticket!.mine && data.ticket!.mine;
    if (first) this.base = null;
    if (first || has) this.artifacts = data.artifacts ?? {};
    this.data = data;
    const ticket = data.ticket!;
    this.leaseEnds = ticket.leaseSeconds === null ? 0 : Date.now() + 1000 * ticket.leaseSeconds;
    this.undoEnds = data.decided ? Date.now() + 1000 * data.decided.undoSeconds : 0;
    if (data.preview) this.previews.set(this.asked.get(data.preview.seq) ?? "", data.preview.artifacts);
    if (data.reply && !data.reply.refusal && data.reply.kind !== "heartbeat") this.refusal = null;
    this.panel.setTicket(data);
    this.channel.receive(data);
    if (first) this.refusal = null;
    if (other) void this.open(data);
    if (data.next) prefetch(data.next.artifacts);
    if (regained && !other) this.changed(this.history.now); // what could not be previewed without the claim
    this.tick();
    this.refresh();
  }

  private async open(data: EditorData): Promise<void> {
    const id = (this.opened = data.ticket!.id + JSON.stringify(basesOf(this.artifacts)));
    const started = performance.now();
    if (!data.artifacts?.assemble) return this.panel.setVeil(this.closedText(data));
    this.panel.setVeil("Loading the avatar…");
    try {
      prefetch(data.artifacts);
      const avatar = await loadAvatar(data.artifacts);
      const looks = await loadLooks(data.artifacts, avatar.positions.length / 3);
      if (this.opened !== id) return;
      this.show(avatar, looks);
    } catch (error) {
      if (this.opened === id) this.panel.setVeil(`The avatar cannot be shown: ${(error as Error).message}. Load the page again.`);
      return;
    }
    this.panel.root.dataset.openedMs = String(Math.round(performance.now() - started));
  }

  private show(avatar: Avatar, looks: Look[]): void {
    const kept = load(this.data.ticket!.id, this.artifacts);
    this.base = this.avatar = avatar;
    this.looks = looks;
    this.before = null;
    this.figure = new Figure(this.body, avatar);
    this.figure.setLooks(looks);
    this.stage.setFigure(this.figure);
    this.stage.setShape(avatar.positions, avatar.faces);
    this.previews.clear();
    this.history = new History(kept.edits, (edits) => this.changed(edits));
    const doubt = this.data.doubts?.find((d) => d.joint)?.joint ?? null;
    this.state = { ...this.state, playing: false, compare: false, selected: doubt, note: kept.note, tool: "joints", mirror: isSymmetric(this.body, avatar.joints) };
    this.stage.compare = false;
    if (kept.camera) this.stage.restore(kept.camera);
    else this.stage.look("front");
    this.panel.setVeil(null);
    this.changed(kept.edits);
    if (kept.stale) this.state.status = "Changes made to an earlier version of this avatar were left out.";
    this.tick();
    this.refresh();
  }

  private closedText(data: EditorData): string {
    const ticket = data.ticket!;
    if (ticket.state === "claimed") return `${ticket.holder ?? "Somebody"} has this ticket. Take another one from the inbox.`;
    if (ticket.state === "open" || ticket.state === "escalated") return "Claim the ticket to open the avatar.";
    return `This ticket is ${ticket.state}. There is nothing to do here.`;
  }

  // What the pointer asks

  get edits(): Edits {
    return this.history.now;
  }
  get tool(): Tool {
    return this.state.tool;
  }
  get mirror(): boolean {
    return this.state.mirror;
  }
  get snap(): boolean {
    return this.state.snap;
  }
  get brushPart(): number {
    return this.state.brushPart;
  }
  get mayEdit(): boolean {
    return this.base !== null && !this.state.playing;
  }

  /** Joints as they are shown: as they were found, with the edits. */
  joints(): Float32Array {
    const edits = this.shownEdits();
    const from = edits.front ? this.avatar : this.base!; // what a preview moved comes from the edits
    return placed(from.joints, edits.joints, this.body.parts);
  }
  points(): Float32Array {
    return placed(this.avatar.attachments, this.shownEdits().attachments, this.body.attachments);
  }
  cage(): Float32Array {
    const cage = this.avatar.cage.slice();
    for (const [vertex, place] of Object.entries(this.shownEdits().cage)) cage.set(place, 3 * Number(vertex));
    this.body.cageTwin.forEach((twin, vertex) => twin !== vertex && cage.copyWithin(3 * vertex, 3 * twin, 3 * twin + 3));
    return cage;
  }

  trial(edits: Edits): void {
    this.making = edits;
    this.repaint();
  }

  take(edits: Edits): void {
    this.making = null;
    this.history.take(edits);
  }

  hover(x: number | null, y: number): void {
    this.at = x === null ? null : { x, y };
    if (this.state.tool === "brush") this.placeMarks();
  }

  private shownEdits(): Edits {
    return this.making ?? this.history.now;
  }

  // Edits and previews

  private changed(edits: Edits): void {
    this.keep();
    this.repaint();
    this.refresh();
    window.clearTimeout(this.previewing);
    this.previewing = window.setTimeout(() => void this.preview(), SETTLE_MS);
    if (edits === NO_EDITS || countEdits(edits) === 0) this.state.status = "";
  }

  private readonly asked = new Map<number, string>();

  /** Show what the edits give, from what was computed before or anew. */
  private async preview(): Promise<void> {
    if (!this.base || this.pointer.dragging) return;
    const ops = opsOf(this.history.now, this.body);
    const key = this.previewKey();
    if (!Object.keys(ops).length) return this.apply({}, key);
    if (!this.previews.has(key)) {
      if (!this.data.ticket!.mine) return;
      this.say("Computing the preview…");
      const started = performance.now();
      const refused = await this.send({ kind: "preview", ops, cage: this.cageShown }, { onSeq: (seq: number) => this.asked.set(seq, key) });
      if (refused) return;
      this.panel.root.dataset.previewMs = String(Math.round(performance.now() - started));
    }
    const artifacts = this.previews.get(key);
    if (artifacts && this.previewKey() === key) await this.apply(artifacts, key);
  }

  /** What the preview shown has to be of: the edits, and the cage only while it is looked at. */
  private previewKey(): string {
    return JSON.stringify([opsOf(this.history.now, this.body), this.cageShown]);
  }

  private get cageShown(): boolean {
    return this.state.showCage || this.state.tool === "cage";
  }

  private async apply(artifacts: Artifacts, key: string): Promise<void> {
    const avatar = { ...this.base!, ...(await changesOf(artifacts)) };
    if (this.previewKey() !== key) return;
    if (avatar.positions !== this.avatar.positions) this.stage.setShape(avatar.positions, avatar.faces);
    this.avatar = avatar;
    this.figure!.setAvatar(avatar);
    this.poses = [];
    const seconds = this.data.preview?.seconds;
    const changed = Object.keys(artifacts).length;
    this.say(changed ? `Preview ready${seconds ? ` in ${seconds.toFixed(2)} s` : ""}.` : "");
    this.panel.root.dataset.previewed = String(changed);
    this.repaint();
  }

  private repaint(): void {
    if (!this.figure) return;
    const { dress, selected, tool } = this.state;
    const shown = tool === "brush" && dress === "looks" ? "parts" : dress;
    const labels = this.shownEdits().labels;
    for (const figure of [this.figure, this.before]) {
      figure?.wear(shown);
      if (shown === "parts") figure?.paintParts(figure === this.before ? this.base!.facePart : relabelled(this.avatar, labels));
      if (shown === "weights") figure?.paintWeights(Math.max(0, this.body.parts.indexOf(selected ?? "")));
    }
    this.stage.setCage(this.cage(), this.cageShown);
    this.stage.draw();
  }

  private animate(): boolean {
    if (!this.figure || !this.state.playing) return false;
    if (!this.poses.length) this.poses = sweep(this.body, this.avatar.joints);
    const time = (performance.now() - this.started) / 1000;
    const name = poseAt(this.poses, this.figure.bones, time);
    if (this.before) poseAt(sweep(this.body, this.base!.joints), this.before.bones, time);
    this.panel.setCaption(`pose: ${name}`);
    return true;
  }

  private placeMarks(): void {
    if (!this.base) return;
    const edits = this.shownEdits();
    const doubtful = new Set((this.data.doubts ?? []).map((d) => this.body.parts.indexOf(d.joint ?? "")).filter((p) => p >= 0));
    const joints = this.joints();
    const brush = this.state.tool === "brush" && this.at ? { ...this.at, r: this.stage.pixels(this.radius, [0, 0.5, 0]) } : null;
    const marks: Marks = {
      joints, attachments: this.points(), doubtful, moved: new Set([...Object.keys(edits.joints), ...Object.keys(edits.attachments)]), selected: this.state.selected,
      showJoints: this.state.showJoints && !this.state.playing && !["brush", "cage", "attachments"].includes(this.state.tool),
      showAttachments: (this.state.showAttachments || this.state.tool === "attachments") && !this.state.playing, brush,
    };
    this.overlay.place(this.stage, marks);
  }

  // Commands

  private async send(command: Command, { onSeq = (_: number) => undefined as void } = {}): Promise<Refusal | null> {
    this.state.busy = command.kind !== "heartbeat";
    const ticket = this.data.ticket!;
    this.refresh();
    const reply = this.channel.send(ticket.id, ticket.token, command, onSeq);
    const { refusal } = await reply;
    this.state.busy = this.channel.busy;
    if (refusal) {
      this.refusal = refusal;
      if (command.kind === "preview") this.say(`${refusal.message} ${refusal.remedy}`);
    }
    this.tick();
    this.refresh();
    return refusal;
  }

  private async decide(command: Command): Promise<void> {
    if (this.state.busy || !this.data.ticket!.mine) return;
    this.say("Saving the decision…");
    const refused = await this.send(command);
    this.say(refused ? "Not decided; nothing is lost." : "");
  }

  private approve(): void {
    const ops = opsOf(this.history.now, this.body);
    const note = this.state.note;
    void this.decide(Object.keys(ops).length ? { kind: "correct", ops, note } : { kind: "approve", note });
  }

  private async reject(): Promise<void> {
    const codes = this.data.rejectCodes!.map((c) => ({ value: c.code, words: c.words }));
    const answer = await this.dialogs.choose("Reject: why?", codes, (code) => code === "other", this.state.note);
    if (answer) await this.decide({ kind: "reject", code: answer.value, note: answer.note });
  }

  private async hold(): Promise<void> {
    const times = [["1", "for an hour"], ["4", "for four hours"], ["24", "until tomorrow"], ["168", "for a week"]];
    const answer = await this.dialogs.choose("Hold: for how long? Say why in the note.", times.map(([value, w]) => ({ value, words: w })), () => true, this.state.note);
    if (answer) await this.decide({ kind: "hold", reason: answer.note, hours: Number(answer.value) });
  }

  private async leave(kind: "skip" | "escalate"): Promise<void> {
    const title = kind === "skip" ? "Skip: somebody else takes it" : "Escalate: a lead takes it";
    const reason = await this.dialogs.words(title, "Why?", kind === "skip" ? "Skip" : "Escalate", this.state.note);
    if (reason !== null) await this.decide({ kind, reason });
  }

  private async note(): Promise<void> {
    const note = await this.dialogs.words("Note to keep with the decision", "Note", "Keep", this.state.note, false);
    if (note !== null) this.state.note = note;
    this.keep();
    this.refresh();
  }

  private undoDecision(): void {
    const decided = this.data.decided;
    if (decided && this.undoEnds > Date.now()) void this.send({ kind: "undo", ticketId: decided.ticketId, token: decided.token });
  }

  private tick(): void {
    const now = Date.now();
    const ticket = this.data?.ticket;
    if (!ticket) return;
    const left = this.leaseEnds ? (this.leaseEnds - now) / 1000 : null;
    this.panel.setLease(ticket.mine ? left : null);
    const lost = ticket.mine && left !== null && left <= 0;
    this.state.canAct = ticket.mine && !lost && this.base !== null;
    this.showBanner(lost);
    const decided = this.data.decided;
    if (decided && this.undoEnds > now) this.panel.setToast(decided.said, { label: `Undo (U) ${Math.ceil((this.undoEnds - now) / 1000)} s`, run: () => this.undoDecision() });
    else this.panel.setToast("");
    const busy = now - this.active < IDLE_MS;
    if (ticket.mine && !lost && busy && now - this.beat > HEARTBEAT_MS && !this.channel.busy) {
      this.beat = now;
      void this.send({ kind: "heartbeat" });
    }
  }

  private showBanner(lost: boolean): void {
    const ticket = this.data.ticket!;
    const edits = countEdits(this.history.now);
    const kept = edits ? ` Your ${edits === 1 ? "change is" : `${edits} changes are`} kept in this tab.` : "";
    const claim = { label: "Claim again (C)", run: () => void this.send({ kind: "claim" }) };
    if (this.refusal) {
      const free = ["open", "escalated"].includes(ticket.state) || lost;
      this.panel.setBanner(`${this.refusal.message} ${this.refusal.remedy}${kept}`, free ? claim : null);
    } else if (lost || (!ticket.mine && edits > 0 && ticket.state === "open")) this.panel.setBanner(`Your claim has run out.${kept}`, claim);
    else if (!ticket.mine && edits > 0 && ticket.state === "claimed") this.panel.setBanner(`${ticket.holder} has the ticket now.${kept}`);
    else this.panel.setBanner("");
  }

  // Small things

  private actions(): Actions {
    const toggle = (name: "showJoints" | "showCage" | "showAttachments" | "mirror" | "snap") => () => this.set({ [name]: !this.state[name] });
    return {
      approve: () => this.approve(), reject: () => void this.reject(), hold: () => void this.hold(), skip: () => void this.leave("skip"),
      escalate: () => void this.leave("escalate"), note: () => void this.note(), help: () => void this.dialogs.help(this.bindings()),
      undo: () => this.history.undo(), redo: () => this.history.redo(), reset: () => countEdits(this.history.now) && this.history.take(NO_EDITS),
      play: () => this.play(), compare: () => this.compare(), mirror: toggle("mirror"), snap: toggle("snap"), joints: toggle("showJoints"),
      cage: toggle("showCage"), attachments: toggle("showAttachments"), claim: () => void this.send({ kind: "claim" }),
      release: () => void this.send({ kind: "release" }), inbox: () => void this.send({ kind: "inbox" }), job: () => void this.send({ kind: "job" }),
      dress: (dress) => this.set({ dress }), tool: (tool) => this.set({ tool }), doubt: (doubt) => this.goTo(doubt),
      front: (turn) => this.turnFront(turn), part: (brushPart) => this.set({ brushPart }),
    };
  }

  bindings(): Binding[] {
    return bindingsOf(this.actions(), {
      undoDecision: () => this.undoDecision(), look: (name) => this.stage.look(name), nudge: (dx, dy) => this.nudge(dx, dy),
      size: (factor) => this.resizeBrush(factor), stop: () => this.set({ playing: false, tool: "joints" }),
    });
  }

  private set(change: Partial<PanelState>): void {
    const cage = this.cageShown;
    Object.assign(this.state, change);
    if (this.cageShown && !cage && countEdits(this.history.now)) this.changed(this.history.now);
    if (change.playing === false) {
      this.panel.setCaption("");
      this.figure?.setRest(this.avatar.joints);
      if (this.before) this.before.setRest(this.base!.joints);
    }
    this.repaint();
    this.refresh();
  }

  select(name: string): void {
    if (this.state.selected !== name) this.set({ selected: name });
  }

  private goTo(doubt: Doubt): void {
    if (!doubt.joint) return this.set({ dress: doubt.stage === "segment" ? "parts" : this.state.dress, showCage: doubt.stage === "cage" || this.state.showCage });
    const part = this.body.parts.indexOf(doubt.joint);
    const joints = this.joints();
    this.stage.look(this.body.side[part] ? "corner" : "front", [joints[3 * part], joints[3 * part + 1], joints[3 * part + 2]]);
    this.set({ selected: doubt.joint, tool: "joints", showJoints: true });
    this.overlay.focus(doubt.joint);
  }

  private nudge(dx: number, dy: number): void {
    const name = this.state.selected;
    if (!name || !this.mayEdit) return;
    const part = this.body.parts.indexOf(name);
    const row = this.body.attachments.indexOf(name);
    const source = part >= 0 ? this.joints() : this.points();
    const at = 3 * (part >= 0 ? part : row);
    const right = this.stage.camera.matrixWorld.elements;
    const step = 0.005;
    const to = [0, 1, 2].map((k) => source[at + k] + step * (dx * right[k] + dy * right[4 + k])) as Vec3;
    if (part >= 0) this.take(moveJoint(this.edits, this.body, part, to, this.joints(), this.mirror));
    else this.take(moveAttachment(this.edits, this.body, name, to, middleOf(this.body, this.joints()), this.mirror));
  }

  private turnFront(degrees: number): void {
    const [x, , z] = this.edits.front ?? [0, 0, 1];
    const angle = (degrees * Math.PI) / 180;
    const front: Vec3 = [x * Math.cos(angle) + z * Math.sin(angle), 0, z * Math.cos(angle) - x * Math.sin(angle)];
    this.take({ ...NO_EDITS, labels: this.edits.labels, front: front[2] > 0.999 ? null : front });
  }

  private play(): void {
    this.started = performance.now();
    this.set({ playing: !this.state.playing });
  }

  private compare(): void {
    const compare = !this.state.compare;
    if (compare && !this.before && this.base) {
      this.before = new Figure(this.body, this.base);
      this.before.setLooks(this.looks);
      this.stage.setBefore(this.before);
    }
    this.stage.compare = compare;
    this.set({ compare });
  }

  private resizeBrush(factor: number): void {
    this.radius = Math.min(0.15, Math.max(0.008, this.radius * factor));
    this.placeMarks();
  }

  private keep(): void {
    if (!this.base || !this.artifacts.rig) return;
    save(this.data.ticket!.id, { bases: basesOf(this.artifacts), edits: this.history.now, camera: this.stage.view, note: this.state.note });
  }

  private say(text: string): void {
    this.state.status = text;
    this.refresh();
  }

  private refresh(): void {
    this.state.edits = countEdits(this.history.now);
    this.state.canUndo = this.history.canUndo;
    this.state.canRedo = this.history.canRedo;
    this.panel.update(this.state, this.body.parts.map(words), this.body.colours);
    this.panel.root.dataset.ticket = this.data?.ticket?.id ?? "";
  }
}

function placed(values: Float32Array, moved: Record<string, Vec3>, names: string[]): Float32Array {
  const found = values.slice();
  for (const [name, place] of Object.entries(moved)) {
    const row = names.indexOf(name);
    if (row >= 0) found.set(place, 3 * row);
  }
  return found;
}
