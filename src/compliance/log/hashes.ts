import { hash } from "node:crypto";

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

const LEAF_PREFIX = Buffer.of(0);
const NODE_BYTES = 1 + 2 * HASH_BYTES;
const node = Buffer.alloc(NODE_BYTES);
node[0] = 1;

export function sha256(bytes: Uint8Array | string): Buffer {
  return hash("sha256", bytes, "buffer");
}

export function sha256Hex(bytes: Uint8Array | string): string {
  return sha256(bytes).toString("hex");
}

/** RFC 6962 §2.1: hash of a leaf. */
export function leafHash(leaf: Uint8Array): Buffer {
  return sha256(Buffer.concat([LEAF_PREFIX, leaf], leaf.length + 1));
}

/** RFC 6962 §2.1: hash of an interior node. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

/** RFC 6962 §2.1: root of the log without leaves. */
export const EMPTY_ROOT: Buffer = sha256("");
