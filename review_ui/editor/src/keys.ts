/** Keys: one table, from which both the handling and the help are made. */

export interface Binding {
  keys: string;
  group: string;
  says: string;
  run: () => void;
}

/** What a key event is called in the table: `Ctrl+Z`, `A`, `?`, `Space`. */
export function keyName(event: KeyboardEvent): string {
  const name = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  const shift = event.shiftKey && control ? "Shift+" : "";
  return `${control}${shift}${name}`;
}

/** Whether the key goes into a field where people write. */
export function isTyping(event: KeyboardEvent): boolean {
  const element = event.composedPath()[0] as HTMLElement;
  return ["INPUT", "TEXTAREA", "SELECT"].includes(element?.tagName) && (element as HTMLInputElement).type !== "range" &&
    (element as HTMLInputElement).type !== "checkbox" && (element as HTMLInputElement).type !== "radio";
}

/** Runs the bindings of the page until the function that comes back is called.
 *
 * Listens before everybody else: Streamlit has keys of its own for single letters. */
export function listen(bindings: () => Binding[], blocked: () => boolean): () => void {
  const heard = (event: KeyboardEvent) => {
    if (isTyping(event) || blocked() || event.altKey) return;
    const name = keyName(event);
    const found = bindings().find((b) => b.keys.split(" ").includes(name));
    const element = event.composedPath()[0] as HTMLElement;
    const pressing = (name === "Enter" || name === "Space") && element?.tagName === "BUTTON";
    if (!found || pressing) {
      if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) event.stopImmediatePropagation();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    found.run();
  };
  window.addEventListener("keydown", heard, { capture: true });
  return () => window.removeEventListener("keydown", heard, { capture: true });
}
