/** Commands to the server, one at a time, each with its reply. */

import type { Command, EditorData, Refusal } from "./types.ts";

const PATIENCE_MS = 30_000;
const AWAY: Refusal = {
  message: "The server did not answer.", remedy: "Nothing is lost; try again.", conflict: "away",
};

interface Sent {
  seq: number;
  done: (refusal: Refusal | null) => void;
  timer: number;
}

export class Channel {
  private sent: Sent | null = null;
  private waiting: (() => void)[] = [];
  private seq = Date.now();
  private readonly trigger: (value: unknown) => void;

  constructor(trigger: (value: unknown) => void) {
    this.trigger = trigger;
  }

  get busy(): boolean {
    return this.sent !== null;
  }

  /** Send a command in the name of a claim; why it was refused, or null. */
  send(ticketId: string, token: number, command: Command, onSeq: (seq: number) => void = () => undefined): Promise<{ seq: number; refusal: Refusal | null }> {
    return new Promise((resolve) => {
      const go = () => {
        const seq = ++this.seq;
        const timer = window.setTimeout(() => this.finish(seq, AWAY), PATIENCE_MS);
        this.sent = { seq, timer, done: (refusal) => resolve({ seq, refusal }) };
        onSeq(seq);
        this.trigger({ seq, ticketId, token, ...command });
      };
      if (this.sent) this.waiting.push(go);
      else go();
    });
  }

  /** Hear what the server says. */
  receive(data: EditorData): void {
    if (data.reply) this.finish(data.reply.seq, data.reply.refusal);
  }

  private finish(seq: number, refusal: Refusal | null): void {
    if (this.sent?.seq !== seq) return;
    const { done, timer } = this.sent;
    clearTimeout(timer);
    this.sent = null;
    done(refusal);
    this.waiting.shift()?.();
  }
}
