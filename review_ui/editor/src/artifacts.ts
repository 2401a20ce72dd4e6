/** Artifacts by their hash: fetched once a page, whatever address leads to them. */

import type { Artifact } from "./types.ts";

const fetched = new Map<string, Promise<ArrayBuffer>>();
const KEPT = 60;

/** The bytes of an artifact. A failed fetch is forgotten, so that another address may succeed. */
export function fetchArtifact(artifact: Artifact): Promise<ArrayBuffer> {
  const known = fetched.get(artifact.sha256);
  if (known) return known;
  const asked = fetch(artifact.url, { credentials: "same-origin" }).then(async (answer) => {
    if (!answer.ok) throw new Error(await reason(answer));
    return answer.arrayBuffer();
  });
  fetched.set(artifact.sha256, asked);
  asked.catch(() => fetched.delete(artifact.sha256));
  const oldest = fetched.keys().next().value;
  if (fetched.size > KEPT && oldest !== undefined) fetched.delete(oldest);
  return asked;
}

async function reason(answer: Response): Promise<string> {
  const said = await answer.text().catch(() => "");
  return said && said.length < 300 ? said : `the server answered ${answer.status}`;
}

export type Tensor = Float64Array | Float32Array | Uint8Array | BigInt64Array;

const KINDS: Record<string, (bytes: ArrayBuffer) => Tensor> = {
  F64: (b) => new Float64Array(b),
  F32: (b) => new Float32Array(b),
  U8: (b) => new Uint8Array(b),
  I64: (b) => new BigInt64Array(b),
};

/** The tensors of a safetensors file (https://github.com/huggingface/safetensors#format). */
export function readTensors(file: ArrayBuffer): Record<string, Tensor> {
  const length = Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
  const found: Record<string, Tensor> = {};
  for (const [name, entry] of Object.entries<any>(header)) {
    const read = KINDS[entry.dtype];
    if (name === "__metadata__" || !read) continue;
    const [start, end] = entry.data_offsets;
    found[name] = read(file.slice(8 + length + start, 8 + length + end));
  }
  return found;
}

/** Whole numbers of a tensor as 32-bit integers. */
export function asInts(tensor: Tensor): Uint32Array {
  return Uint32Array.from(tensor as ArrayLike<number | bigint>, Number);
}
