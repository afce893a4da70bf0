/**
 * Loaded into a process before everything else (`node --import`): its wall clock is off by the milliseconds that stand in a file
 * beside its configuration. Its monotonic clock is not, as when an administrator sets the time.
 */
import { readFileSync } from "node:fs";

const config = process.argv.find((argument) => argument.endsWith(".yaml"));
const role = ["serve", "worker"].find((word) => process.argv.includes(word)) ?? "archive";
const RealDate = Date;
let offsetMs = 0;

function look() {
  try {
    offsetMs = Number(readFileSync(`${config}.${role}.clock`, "utf8"));
  } catch {
    offsetMs = 0;
  }
}

if (config !== undefined) {
  look();
  setInterval(look, 50).unref();
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      if (given.length === 0) super(RealDate.now() + offsetMs);
      else super(...given);
    }

    static now() {
      return RealDate.now() + offsetMs;
    }
  };
}
