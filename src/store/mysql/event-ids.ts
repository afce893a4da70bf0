import { randomBytes } from "node:crypto";

const POOL_BYTES = 4_096;
/** Bytes of chance per id. */
const TAIL_BYTES = 5;
const COUNTER_BITS = 34;

/**
 * Ids of recorded events: 32 hex digits after RFC 9562 §5.7 (UUID version 7), rising from one id to the next on this node also
 * within a millisecond and when the clock is set back. Layout: 48 bits of milliseconds, version, 12 bits of counter, variant,
 * 22 bits of counter, 40 random bits.
 */
export function eventIds(nowMs: () => number): () => string {
  let lastMs = 0;
  let prefix = "";
  let counter = 0;
  let chance = "";
  let taken = 0;
  return () => {
    const now = nowMs();
    if (now > lastMs || counter >= 2 ** COUNTER_BITS - 1) {
      lastMs = now > lastMs ? now : lastMs + 1;
      prefix = lastMs.toString(16).padStart(12, "0");
      // Begins anywhere in the lower half, so that two nodes in one millisecond differ in more than their tails.
      counter = randomBytes(4).readUInt32BE();
    } else counter += 1;
    if (taken === chance.length) {
      chance = randomBytes(POOL_BYTES - (POOL_BYTES % TAIL_BYTES)).toString("hex");
      taken = 0;
    }
    const tail = chance.slice(taken, taken + 2 * TAIL_BYTES);
    taken += 2 * TAIL_BYTES;
    const high = Math.floor(counter / 2 ** 22); // 12 bits
    const low = counter % 2 ** 22;
    const middle = (2 ** 23 + low).toString(16); // variant 10, then 22 bits: six digits
    return `${prefix}7${high.toString(16).padStart(3, "0")}${middle}${tail}`;
  };
}
