import assert from "node:assert/strict";
import { test } from "node:test";
import { WayIn } from "../../../kamailio/way-in.ts";

function watched() {
  const told: boolean[] = [];
  const at = { ms: 0 };
  let reconnects = 0;
  const way = new WayIn({
    clock: { nowMs: () => 0, monotonicMs: () => at.ms },
    reconnect: () => {
      reconnects += 1;
    },
    onChange: (open) => told.push(open),
  });
  return { way, told, at, reconnects: () => reconnects };
}

test("the first connections of a Kamailio that has just begun are ended, those too that it makes a moment later", () => {
  const { way, reconnects } = watched();
  way.pinged({ age: 0, nodes: 2 });
  way.pinged({ age: 2, nodes: 2 });
  assert.equal(reconnects(), 2);
  way.pinged({ age: 3, nodes: 2 });
  assert.equal(reconnects(), 2, "these have failed once, and are back");
});

test("a Kamailio that has been running, and one with a single node, keep their connections", () => {
  const { way, reconnects } = watched();
  way.pinged({ age: 3, nodes: 2 });
  way.pinged({ age: 0, nodes: 1 });
  assert.equal(reconnects(), 0);
});

test("pings answered for ten seconds without a hello say that requests cannot come in, until one does", () => {
  const { way, told, at } = watched();
  const ping = () => way.pinged({ age: 60, nodes: 1 });
  ping();
  at.ms = 9_000;
  ping();
  assert.equal(way.open, true);
  at.ms = 10_000;
  ping();
  assert.equal(way.open, false);
  way.greeted();
  assert.equal(way.open, true);
  assert.deepEqual(told, [false, true]);
});

test("while Kamailio itself is away its silence says nothing of the way", () => {
  const { way, told, at } = watched();
  way.pinged({ age: 60, nodes: 1 });
  way.lost();
  at.ms = 60_000;
  assert.equal(way.open, true);
  way.pinged({ age: 60, nodes: 1 });
  assert.deepEqual([way.open, told], [true, []]);
});

test("whether requests come in is seen anew whenever a connection is made or ends", () => {
  const { way } = watched();
  assert.equal(way.reached, false);
  way.greeted();
  assert.equal(way.reached, true);
  way.changed();
  assert.equal(way.reached, false);
});
