import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { ChatError } from "../../../src/chat/errors.ts";
import { connectionOptions } from "../../../src/store/mysql/connection-options.ts";
import { limit } from "../../../src/store/mysql/database.ts";
import { bytes, int, json, text } from "../../../src/store/mysql/sql-values.ts";
import { refusalOf, StoreError, troubleOf } from "../../../src/store/mysql/store-error.ts";

const raw = (errno: number, sqlState: string, message = "") =>
  Object.assign(new Error(message), { code: "ER_X", errno, sqlState, sqlMessage: message, sql: message });

test("an error of the database keeps neither the statement nor the server's message: both may hold what somebody wrote", () => {
  const error = new StoreError(raw(1062, "23000", "Duplicate entry 'top secret' for key 'message.PRIMARY'"));
  assert.equal(error.key, "message.PRIMARY");
  assert.equal(inspect(error).includes("top secret"), false);
  assert.equal(inspect(refusalOf(raw(2013, "HY000", "top secret"))).includes("top secret"), false);
});

test("errors are sorted by what can be done about them", () => {
  const sorted = [
    [raw(1213, "40001"), "deadlock"],
    [raw(1205, "HY000"), "lock-timeout"],
    [raw(1062, "23000"), "duplicate"],
    [raw(1406, "22001"), "data"],
    [raw(1644, "45000"), "data"],
    [raw(1040, "08004"), "unreachable"],
    [raw(1053, "08S01"), "unreachable"],
    [raw(1290, "HY000"), "unreachable"],
    [Object.assign(new Error(), { code: "ECONNREFUSED" }), "unreachable"],
    [Object.assign(new Error(), { code: "PROTOCOL_SEQUENCE_TIMEOUT" }), "unreachable"],
    [raw(1064, "42000"), "other"],
    [raw(1146, "42S02"), "other"],
  ] as const;
  for (const [error, trouble] of sorted)
    assert.equal(troubleOf(new StoreError(error)), trouble, inspect(error.message));
});

test("who cannot be reached is STORE_DOWN, a mistake of our own is not", () => {
  const down = refusalOf(Object.assign(new Error(), { code: "ECONNRESET" }));
  assert.ok(down instanceof ChatError && down.code === "STORE_DOWN");
  assert.ok(refusalOf(raw(1064, "42000")) instanceof StoreError);
});

test("numbers and bytes become literals only when they are numbers and bytes", () => {
  assert.equal(int(2 ** 53 - 1), "9007199254740991");
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, 1.5, 2 ** 53])
    assert.throws(() => int(wrong), RangeError);
  assert.equal(bytes("00ff"), "X'00ff'");
  for (const wrong of ["", "0", "0g", "00' OR 1=1 -- "]) assert.throws(() => bytes(wrong), RangeError);
  assert.equal(limit(5), "LIMIT 5");
  for (const wrong of [-1, 1.5, Number.NaN]) assert.throws(() => limit(wrong), RangeError);
});

test("text and JSON literals end where they should", () => {
  assert.equal(text(null), "NULL");
  assert.equal(text("a'b\\c"), "'a\\'b\\\\c'");
  assert.equal(json(JSON.stringify({ a: `'"\\\n` })), `'{"a":"\\'\\\\"\\\\\\\\\\\\n"}'`);
});

test("a database URL that is none is refused without showing it", () => {
  for (const wrong of ["", "mysql://u:hidden@host", "http://u:hidden@host/db", "u:hidden@host"])
    assert.throws(
      () => connectionOptions(wrong),
      (error) => error instanceof TypeError && !error.message.includes("hidden"),
    );
  const { host, port, user, password, database } = connectionOptions("mysql://u%40x:p%2Fw@[::1]/db");
  assert.deepEqual([host, port, user, password, database], ["::1", 3306, "u@x", "p/w", "db"]);
});
