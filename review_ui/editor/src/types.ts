/** What the server sends, what the editor sends back. Lengths are shares of the body's height. */

export type Vec3 = [number, number, number];

/** An output of a stage: its hash, and the signed address it can be fetched from for a while. */
export interface Artifact {
  sha256: string;
  url: string;
}

export type Artifacts = Partial<Record<string, Artifact>>;

export interface Doubt {
  stage: string;
  joint: string | null;
  text: string;
  confidence: number;
}

export interface TicketInfo {
  id: string;
  jobId: string;
  state: string;
  token: number;
  version: number;
  holder: string | null;
  mine: boolean;
  leaseSeconds: number | null;
  flagged: string[];
  reasons: string[];
  priority: number;
  escalation: string | null;
  note: string;
}

export interface AssetInfo {
  name: string;
  creator: string;
  batch: string | null;
  vertices: number;
  triangles: number;
  confidence: number | null;
}

/** The last decision, as long as it can be taken back. */
export interface Decided {
  ticketId: string;
  token: number;
  said: string;
  undoSeconds: number;
}

export interface PreviewReply {
  seq: number;
  seconds: number;
  artifacts: Artifacts;
}

export interface Refusal {
  message: string;
  remedy: string;
  conflict: string;
}

export interface Reply {
  seq: number;
  kind: string;
  refusal: Refusal | null;
}

/** The body's vocabulary, the same for every avatar. */
export interface BodyFacts {
  parts: string[];
  joints: string[];
  parent: number[];
  mirror: number[];
  side: number[];
  colours: Vec3[];
  cageFaces: number[];
  cageTwin: number[];
  attachments: string[];
  attachmentParts: number[];
}

export interface EditorData {
  mode: "ticket" | "prefetch";
  body?: BodyFacts;
  person?: string;
  lead?: boolean;
  reviews?: boolean;
  ticket?: TicketInfo;
  asset?: AssetInfo;
  artifacts?: Artifacts;
  doubts?: Doubt[];
  rejectCodes?: { code: string; words: string }[];
  next?: { id: string; artifacts: Artifacts } | null;
  decided?: Decided | null;
  preview?: PreviewReply | null;
  reply?: Reply | null;
  sent?: number;
}

export type Op =
  | { op: "set_front"; front: Vec3 }
  | { op: "move_joint"; joint: string; position: Vec3 }
  | { op: "relabel"; part: string; vertices: number[] }
  | { op: "move_cage_vertices"; vertices: number[]; positions: Vec3[] }
  | { op: "move_attachment"; attachment: string; position: Vec3 };

/** Operations by the stage that they correct. */
export type Ops = Record<string, Op[]>;

export type Command =
  | { kind: "preview"; ops: Ops; cage: boolean }
  | { kind: "approve"; note: string }
  | { kind: "correct"; ops: Ops; note: string }
  | { kind: "reject"; code: string; note: string }
  | { kind: "hold"; reason: string; hours: number }
  | { kind: "skip" | "escalate"; reason: string }
  | { kind: "claim" | "release" | "heartbeat" | "next" | "inbox" | "job" }
  | { kind: "undo"; ticketId: string; token: number };
