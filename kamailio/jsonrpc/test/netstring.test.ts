import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame, FrameReader, FramingError } from "../netstring.ts";

function readAll(stream: Buffer, pieceBytes: number, reader = new FrameReader()): string[] {
  const frames: string[] = [];
  for (let at = 0; at < stream.length; at += pieceBytes)
    for (const frame of reader.push(stream.subarray(at, at + pieceBytes))) frames.push(frame.toString());
  return frames;
}

function reasonOf(text: string, maxFrameBytes?: number): string {
  try {
    new FrameReader(maxFrameBytes).push(Buffer.from(text));
  } catch (error) {
    assert.ok(error instanceof FramingError);
    return error.reason;
  }
  return "none";
}

test("frames come out whole and in order, however the stream is cut", () => {
  const texts = ["a", "", '{"x":1}', "äöü€", "12:3,", "x".repeat(1_000)];
  const stream = Buffer.concat(texts.map((text) => encodeFrame(text)));
  for (const pieceBytes of [1, 2, 3, 7, 64, stream.length])
    assert.deepEqual(readAll(stream, pieceBytes), texts);
});

test("a frame of exactly the limit passes, one byte more does not", () => {
  assert.deepEqual(readAll(encodeFrame("x".repeat(262_144)), 4_096), ["x".repeat(262_144)]);
  assert.equal(reasonOf("262145:"), "frame-too-long");
  assert.equal(reasonOf("11:", 10), "frame-too-long");
});

test("a length without end is refused without being stored", () => {
  assert.equal(reasonOf("9".repeat(100_000)), "frame-too-long");
});

test("bad lengths and missing commas are told apart", () => {
  for (const text of ["x", ":", "-1:x,", " 1:x,", "01:x,", "00:,", "1x:", "\n"])
    assert.equal(reasonOf(text), "bad-length", text);
  assert.equal(reasonOf("1:xy"), "missing-comma");
  assert.equal(reasonOf("0:x"), "missing-comma");
});

test("after an error the reader stays broken", () => {
  const reader = new FrameReader();
  assert.throws(() => reader.push(Buffer.from("x")), FramingError);
  assert.throws(() => reader.push(encodeFrame("good")), FramingError);
});

test("a missing comma in a later piece is found too", () => {
  const reader = new FrameReader();
  assert.deepEqual(reader.push(Buffer.from("3:abc")), []);
  assert.throws(() => reader.push(Buffer.from("x")), FramingError);
});

test("a large frame in single bytes is copied once, not once a byte", () => {
  // Joining pieces anew each time would copy 34 GB here and not end within the test's limit.
  const text = "y".repeat(262_144);
  assert.deepEqual(readAll(encodeFrame(text), 1), [text]);
});
