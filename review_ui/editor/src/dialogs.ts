/** Questions to the reviewer, in a dialog each; answered by mouse or by key. */

import { h } from "./dom.ts";
import type { Binding } from "./keys.ts";

export class Dialogs {
  private readonly host: HTMLElement;
  private open: HTMLDialogElement | null = null;

  constructor(host: HTMLElement) {
    this.host = host;
  }

  get isOpen(): boolean {
    return this.open !== null;
  }

  /** Choose one of several, by digit or click, with a note where one is wanted. */
  choose(title: string, choices: { value: string; words: string }[], noteFor: (value: string) => boolean, note = ""): Promise<{ value: string; note: string } | null> {
    return this.ask((answer) => {
      const text = h("textarea", { rows: 2, maxlength: 2000, "aria-label": "Note", placeholder: "Note (optional)" });
      text.value = note;
      const said = h("p", { class: "warn", role: "alert" });
      const pick = (value: string) => {
        if (noteFor(value) && !text.value.trim()) {
          said.textContent = "Please say why in the note.";
          text.focus();
        } else answer({ value, note: text.value });
      };
      const buttons = choices.map((c, i) => h("button", { type: "button", class: "choice", onclick: () => pick(c.value) }, h("kbd", {}, String(i + 1)), c.words));
      const form = h("form", { onsubmit: (e: Event) => e.preventDefault() }, h("h2", {}, title), h("div", { class: "choices" }, ...buttons), text, said);
      form.addEventListener("keydown", (event) => {
        const digit = Number(event.key);
        if (event.composedPath()[0] !== text && digit >= 1 && digit <= choices.length) {
          event.preventDefault();
          pick(choices[digit - 1].value);
        }
      });
      return { form, first: buttons[0] };
    });
  }

  /** A few words; null when it is left. */
  words(title: string, label: string, button: string, start = "", needed = true): Promise<string | null> {
    return this.ask((answer) => {
      const text = h("textarea", { rows: 3, maxlength: 2000, "aria-label": label, placeholder: label });
      text.value = start;
      const said = h("p", { class: "warn", role: "alert" });
      const send = () => {
        if (needed && !text.value.trim()) said.textContent = "Please say it in a few words.";
        else answer(text.value);
      };
      text.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey) {
          event.preventDefault();
          send();
        }
      });
      const form = h("form", { onsubmit: (e: Event) => { e.preventDefault(); send(); } }, h("h2", {}, title), text, said,
        h("div", { class: "row end" }, h("button", { type: "button", class: "quiet", onclick: () => answer(null) }, "Cancel"), h("button", { type: "submit", class: "main" }, button)));
      return { form, first: text };
    });
  }

  /** All keys. */
  help(bindings: Binding[]): Promise<unknown> {
    return this.ask((answer) => {
      const groups = [...new Set(bindings.map((b) => b.group))].map((group) =>
        h("section", {}, h("h3", {}, group),
          h("dl", {}, ...rows(bindings, group).flatMap((row) => [h("dt", {}, ...row.keys.map((k) => h("kbd", {}, k))), h("dd", {}, row.says)]))));
      const close = h("button", { type: "button", class: "quiet", onclick: () => answer(null) }, "Close");
      const form = h("form", { class: "help", onsubmit: (e: Event) => e.preventDefault() }, h("h2", {}, "Keys"), h("div", { class: "groups" }, ...groups), h("div", { class: "row end" }, close));
      return { form, first: close };
    });
  }

  private ask<T>(build: (answer: (value: T | null) => void) => { form: HTMLElement; first: HTMLElement }): Promise<T | null> {
    this.open?.close();
    return new Promise((resolve) => {
      const dialog = h("dialog", {});
      let value: T | null = null;
      const { form, first } = build((given) => {
        value = given;
        dialog.close();
      });
      dialog.append(form);
      dialog.addEventListener("close", () => {
        dialog.remove();
        this.open = null;
        resolve(value);
      });
      this.host.append(dialog);
      this.open = dialog;
      dialog.showModal();
      first.focus();
    });
  }
}

const ARROWS: Record<string, string> = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", "Ctrl+Shift+Z": "⇧Ctrl+Z" };

/** The bindings of a group; one that says nothing belongs to the one before it. */
function rows(bindings: Binding[], group: string): { keys: string[]; says: string }[] {
  const found: { keys: string[]; says: string }[] = [];
  for (const binding of bindings.filter((b) => b.group === group)) {
    const keys = binding.keys.split(" ").map((k) => ARROWS[k] ?? k);
    if (binding.says) found.push({ keys, says: binding.says });
    else found.at(-1)?.keys.push(...keys);
  }
  return found;
}
