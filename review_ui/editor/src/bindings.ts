/** The keys of the editor. */

import type { Binding } from "./keys.ts";
import type { Actions } from "./panel.ts";

interface Extra {
  undoDecision(): void;
  look(view: string): void;
  nudge(dx: number, dy: number): void;
  size(factor: number): void;
  stop(): void;
}

export function bindingsOf(a: Actions, extra: Extra): Binding[] {
  const group = (name: string, rows: [string, string, () => void][]): Binding[] => rows.map(([keys, says, run]) => ({ keys, group: name, says, run }));
  return [
    ...group("Decide", [
      ["A", "approve, or accept with your changes", a.approve], ["R", "reject, with a reason", a.reject], ["H", "hold", a.hold], ["K", "skip", a.skip],
      ["E", "escalate to a lead", a.escalate], ["N", "note", a.note], ["U", "take the last decision back", extra.undoDecision], ["C", "claim", a.claim], ["I", "inbox", a.inbox],
    ]),
    ...group("Edit", [
      ["V", "move joints", () => a.tool("joints")], ["L", "paint parts", () => a.tool("brush")], ["Y", "pull the cage", () => a.tool("cage")],
      ["O", "move attachment points", () => a.tool("attachments")], ["F", "set the front", () => a.tool("front")], ["M", "mirror left and right", a.mirror], ["S", "snap to the middle of the limb", a.snap],
      ["[", "smaller brush or reach", () => extra.size(1 / 1.25)], ["]", "larger brush or reach", () => extra.size(1.25)],
      ["ArrowLeft", "move the selected point", () => extra.nudge(-1, 0)], ["ArrowRight", "", () => extra.nudge(1, 0)], ["ArrowUp", "", () => extra.nudge(0, 1)], ["ArrowDown", "", () => extra.nudge(0, -1)],
      ["Ctrl+Z", "undo", a.undo], ["Ctrl+Shift+Z Ctrl+Y", "redo", a.redo], ["Escape", "stop", extra.stop],
    ]),
    ...group("Look", [
      ["T", "textures", () => a.dress("looks")], ["P", "parts", () => a.dress("parts")], ["W", "weights of the selected joint", () => a.dress("weights")], ["D", "clay", () => a.dress("plain")],
      ["J", "joints on and off", a.joints], ["G", "cage on and off", a.cage], ["X", "points on and off", a.attachments], ["Space", "play the poses", a.play], ["B", "before and after", a.compare],
      ["1", "from the front", () => extra.look("front")], ["2", "from its left", () => extra.look("left")], ["3", "from behind", () => extra.look("back")],
      ["4", "from its right", () => extra.look("right")], ["5", "from a corner", () => extra.look("corner")], ["6", "from above", () => extra.look("top")], ["?", "these keys", a.help],
    ]),
  ];
}
