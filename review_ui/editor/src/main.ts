/** Entry point: Streamlit calls the default export on mount and whenever the data changes. */

import "./style.css";
import { prefetch } from "./avatar.ts";
import { Editor } from "./editor.ts";
import type { EditorData } from "./types.ts";

interface Arguments {
  data: EditorData;
  parentElement: HTMLElement | ShadowRoot;
  setTriggerValue: (name: string, value: unknown) => void;
}

const editors = new WeakMap<object, { editor: Editor; leaving: number }>();
const LEAVE_MS = 500;

export default function mount({ data, parentElement, setTriggerValue }: Arguments): () => void {
  if (data.mode === "prefetch") {
    if (data.next) prefetch(data.next.artifacts);
    return () => undefined;
  }
  let known = editors.get(parentElement);
  if (!known) {
    const host = parentElement.appendChild(document.createElement("div"));
    host.className = "host";
    known = { editor: new Editor(host, data, (value) => setTriggerValue("command", value)), leaving: 0 };
    editors.set(parentElement, known);
  }
  clearTimeout(known.leaving);
  known.editor.receive(data);
  return () => {
    // Called before every new call, too: only an editor that nobody calls again has really left.
    known.leaving = window.setTimeout(() => {
      known.editor.dispose();
      editors.delete(parentElement);
      (parentElement as HTMLElement).querySelector(".host")?.remove();
    }, LEAVE_MS);
  };
}
