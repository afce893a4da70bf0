import assert from "node:assert/strict";
import { test } from "node:test";
import { CodecError, decodeAnswer, decodeCall, encodeNotification, encodeRequest } from "../codec.ts";

test("calls are told apart by their id, absent params are empty", () => {
  assert.deepEqual(decodeCall(encodeNotification("a.b", { x: 1 })), {
    kind: "notification",
    method: "a.b",
    params: { x: 1 },
  });
  assert.deepEqual(decodeCall(encodeRequest(7, "m", {})), {
    kind: "request",
    id: 7,
    method: "m",
    params: {},
  });
  assert.deepEqual(decodeCall('{"jsonrpc":"2.0","method":"m"}'), {
    kind: "notification",
    method: "m",
    params: {},
  });
});

test("what is not a call is refused, and the error does not quote it", () => {
  const bad = [
    "",
    "secret",
    "[]",
    "null",
    '"secret"',
    "{}",
    '{"jsonrpc":"1.0","method":"m"}',
    '{"jsonrpc":"2.0"}',
    '{"jsonrpc":"2.0","method":""}',
    '{"jsonrpc":"2.0","method":7}',
    '{"jsonrpc":"2.0","method":"m","params":[1]}',
    '{"jsonrpc":"2.0","method":"m","params":"secret"}',
    '{"jsonrpc":"2.0","method":"m","id":{}}',
  ];
  for (const text of bad)
    assert.throws(
      () => decodeCall(text),
      (error) => error instanceof CodecError && !error.message.includes("secret"),
      text,
    );
});

test("answers carry a result or an error", () => {
  assert.deepEqual(decodeAnswer('{"jsonrpc":"2.0","id":1,"result":null}'), {
    kind: "success",
    id: 1,
    result: null,
  });
  assert.deepEqual(decodeAnswer('{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"no"}}'), {
    kind: "failure",
    id: null,
    code: -32602,
    message: "no",
  });
  for (const text of [
    '{"jsonrpc":"2.0","id":1}',
    '{"jsonrpc":"2.0","id":1,"error":{}}',
    '{"jsonrpc":"2.0","id":[],"result":1}',
  ])
    assert.throws(() => decodeAnswer(text), CodecError, text);
});
