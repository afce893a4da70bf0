import assert from "node:assert/strict";
import { test } from "node:test";
import type { Finding } from "../../../src/alerts/alert.ts";
import { AlertBoard } from "../../../src/alerts/board.ts";
import { Told } from "../../../src/alerts/told.ts";

const redis: Finding = { name: "redis-away", subject: "n1", detail: "for 12 s" };
const kamailio: Finding = { name: "kamailio-away", subject: "edge1 and n1", detail: "for 15 s" };
const HOUR_MS = 3_600_000;

test("an alert is raised once, keeps its beginning while it goes on, and is cleared when it is no longer found", () => {
  const board = new AlertBoard();
  const first = board.update("n1", [redis], 1_000);
  assert.deepEqual(
    first.raised.map(({ name, sinceMs, owner }) => [name, sinceMs, owner]),
    [["redis-away", 1_000, "n1"]],
  );
  const second = board.update("n1", [{ ...redis, detail: "for 17 s" }, kamailio], 6_000);
  assert.deepEqual(
    second.raised.map(({ name }) => name),
    ["kamailio-away"],
  );
  assert.deepEqual(
    board.of("n1").map(({ sinceMs, detail }) => [sinceMs, detail]),
    [
      [1_000, "for 17 s"],
      [6_000, "for 15 s"],
    ],
  );
  const third = board.update("n1", [], 11_000);
  assert.deepEqual(third.raised, []);
  assert.equal(third.cleared.length, 2);
  assert.deepEqual(board.all(), []);
});

test("what one owner finds says nothing of what another has found", () => {
  const board = new AlertBoard();
  board.update("n1", [redis], 0);
  assert.deepEqual(board.update("pool", [], 0).cleared, []);
  assert.equal(board.all().length, 1);
});

test("an alert of an earlier life goes on with its beginning, or is cleared by the first look", () => {
  const board = new AlertBoard();
  board.adopt("n1", [
    { ...redis, owner: "n1", sinceMs: 5 },
    { ...kamailio, owner: "n1", sinceMs: 6 },
  ]);
  const { raised, cleared } = board.update("n1", [redis], 1_000);
  assert.deepEqual(raised, []);
  assert.deepEqual(
    cleared.map(({ name }) => name),
    ["kamailio-away"],
  );
  assert.equal(board.of("n1")[0]?.sinceMs, 5);
});

test("thousands of findings make no more than 200 alerts", () => {
  const many = Array.from({ length: 5_000 }, (_, n) => ({ ...redis, subject: `n${n}` }));
  const board = new AlertBoard();
  board.update("n1", many, 0);
  assert.equal(board.all().length, 200);
});

test("a sink is told of each alert once, of its end once, and of what goes on again after the interval", () => {
  const board = new AlertBoard();
  const told = new Told();
  board.update("n1", [redis], 0);
  const first = told.news(board.all(), 0, HOUR_MS);
  assert.equal(first.firing.length, 1);
  told.arrived(first, 0);
  assert.deepEqual(told.news(board.all(), HOUR_MS - 1, HOUR_MS), { firing: [], resolved: [] });
  assert.equal(told.news(board.all(), HOUR_MS, HOUR_MS).firing.length, 1);
  board.update("n1", [], HOUR_MS);
  const last = told.news(board.all(), HOUR_MS, HOUR_MS);
  assert.deepEqual([last.firing.length, last.resolved.length], [0, 1]);
  told.arrived(last, HOUR_MS);
  assert.deepEqual(told.news(board.all(), HOUR_MS, HOUR_MS), { firing: [], resolved: [] });
});

test("what came and went while the sink was away is never told; news that did not arrive are told again", () => {
  const board = new AlertBoard();
  const told = new Told();
  board.update("n1", [redis], 0);
  assert.equal(told.news(board.all(), 0, HOUR_MS).firing.length, 1); // did not arrive
  assert.equal(told.news(board.all(), 5_000, HOUR_MS).firing.length, 1);
  board.update("n1", [], 10_000);
  assert.deepEqual(told.news(board.all(), 10_000, HOUR_MS), { firing: [], resolved: [] });
});
