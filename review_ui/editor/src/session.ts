/** What outlives Streamlit's reruns and a reload of the page: one entry a ticket, of this tab. */

import { NO_EDITS, type Edits } from "./edits.ts";
import type { Artifacts } from "./types.ts";

export interface Kept {
  /** Hashes of what the edits were made upon. */
  bases: Record<string, string>;
  edits: Edits;
  camera: number[] | null;
  note: string;
}

const CORRECTABLE = ["orient", "segment", "rig", "cage", "attach"];

export function basesOf(artifacts: Artifacts): Record<string, string> {
  const known = CORRECTABLE.filter((stage) => artifacts[stage]);
  return Object.fromEntries(known.map((stage) => [stage, artifacts[stage]!.sha256]));
}

/** What was kept of the ticket; edits of other artifacts than those given are left out. */
export function load(ticketId: string, artifacts: Artifacts): Kept & { stale: boolean } {
  const bases = basesOf(artifacts);
  const fresh: Kept = { bases, edits: NO_EDITS, camera: null, note: "" };
  let kept: Kept | null = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(key(ticketId)) ?? "null");
  } catch {
    kept = null;
  }
  if (!kept?.bases || !kept.edits) return { ...fresh, stale: false };
  const same = Object.entries(bases).every(([stage, sha]) => kept.bases[stage] === sha);
  if (same) return { ...kept, stale: false };
  return { ...fresh, camera: kept.camera, note: kept.note, stale: kept.edits !== NO_EDITS };
}

export function save(ticketId: string, kept: Kept): void {
  try {
    sessionStorage.setItem(key(ticketId), JSON.stringify(kept));
  } catch {
    // The tab's storage is full: older tickets go first.
    for (const old of Object.keys(sessionStorage)) {
      if (old.startsWith("rigline:") && old !== key(ticketId)) sessionStorage.removeItem(old);
    }
    try {
      sessionStorage.setItem(key(ticketId), JSON.stringify(kept));
    } catch {
      /* then the edits live as long as the page */
    }
  }
}

function key(ticketId: string): string {
  return `rigline:${ticketId}`;
}
