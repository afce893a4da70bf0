import { randomInt } from "node:crypto";

/** Numbers for the envelopes this node sends: unique per sender and dialog, so one counter serves all dialogs. */
export class Envids {
  private last = BigInt(randomInt(2 ** 31)) << 16n;

  next(): string {
    this.last += 1n;
    return String(this.last);
  }
}
