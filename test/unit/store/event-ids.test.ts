import assert from "node:assert/strict";
import { test } from "node:test";
import { eventIds } from "../../../src/store/mysql/event-ids.ts";

test("event ids rise, also within a millisecond and when the clock is set back", () => {
  let nowMs = 1_790_000_000_000;
  const next = eventIds(() => nowMs);
  let last = "";
  for (let n = 0; n < 20_000; n++) {
    if (n === 5_000) nowMs += 7;
    if (n === 10_000) nowMs -= 3_600_000;
    const id = next();
    assert.ok(id > last, `${id} after ${last}`);
    last = id;
  }
});

test("an event id has the time, version and variant of RFC 9562", () => {
  const nowMs = 1_790_000_000_123;
  const next = eventIds(() => nowMs);
  for (let n = 0; n < 1_000; n++) {
    const id = next();
    assert.match(id, /^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    assert.equal(Number.parseInt(id.slice(0, 12), 16), nowMs);
  }
});

test("two nodes do not make the same id in the same millisecond", () => {
  const made = new Set<string>();
  for (let node = 0; node < 200; node++) {
    const next = eventIds(() => 1_790_000_000_000);
    for (let n = 0; n < 50; n++) made.add(next());
  }
  assert.equal(made.size, 200 * 50);
});
