import assert from "node:assert/strict";
import { test } from "node:test";
import { type Command, decodeCommand } from "../../../src/xccos/command.ts";
import { parseXml } from "../../../src/xccos/xml.ts";

function decode(attributes: string, data: string): Command {
  const xml = `<cmd xmlns="urn:parlano:xml:ns:xccos" ${attributes}><data>${data}</data></cmd>`;
  return decodeCommand(parseXml(Buffer.from(xml)));
}

test("a command carries its own seqid, or 1", () => {
  assert.deepEqual(decode('id="cmd:requri" seqid="17"', ""), { kind: "requri", seqid: "17" });
  assert.deepEqual(decode('id="cmd:requri"', ""), { kind: "requri", seqid: "1" });
});

test("an id is matched without regard to case and told in lower case", () => {
  assert.deepEqual(decode('id="Cmd:NodeCreate"', ""), {
    kind: "unsupported",
    name: "nodecreate",
    seqid: "1",
  });
});

test("500 rooms are decoded, 501 are refused with 413, and never in part", () => {
  const rooms = (n: number): string =>
    Array.from({ length: n }, (_, i) => `<chanid key="${i}" domain="example.com" value="${i}"/>`).join("");
  const whole = decode('id="cmd:bjoin"', rooms(500));
  assert.equal(whole.kind === "bjoin" && whole.rooms.length, 500);
  const refused = decode('id="cmd:bjoin"', rooms(501));
  assert.equal(refused.kind === "invalid" && refused.code, 413);
});

test("a room named twice in one command is one room", () => {
  const room = '<chanid domain="example.com" value="300"/>';
  const command = decode('id="cmd:bjoin"', room + room);
  assert.equal(command.kind === "bjoin" && command.rooms.length, 1);
});

test("one room that cannot be read spoils the command, which is still answered", () => {
  const command = decode('id="cmd:bjoin"', '<chanid domain="example.com" value="300"/><chanid value="301"/>');
  assert.equal(command.kind === "invalid" && command.code, 400);
  assert.equal(command.kind === "invalid" && command.name, "bjoin");
});

test("zero messages of history may be asked for, and any number within 32 bits", () => {
  const last = (cnt: string): unknown => {
    const command = decode(
      'id="cmd:bccontext"',
      `<chanib uri="ma-chan://example.com/300"/><bcq><last cnt="${cnt}"/></bcq>`,
    );
    return command.kind === "bccontext" ? command.last : command.kind;
  };
  assert.equal(last("0"), 0);
  assert.equal(last("2147483647"), 2147483647);
  assert.equal(last("2147483648"), "invalid");
});

test("a search without a query block asks for every room", () => {
  const command = decode('id="cmd:chansrch"', "");
  assert.equal(command.kind === "chansrch" && command.criteria, "");
  assert.equal(command.kind === "chansrch" && command.disabled, undefined);
});

test("a preference beyond 64 KiB is refused with 413", () => {
  const set = (length: number): Command =>
    decode('id="cmd:setpref"', `<pref label="a" seqid="1" content="${"A".repeat(length)}"/>`);
  assert.equal(set(87_384).kind, "setpref");
  const refused = set(87_388);
  assert.equal(refused.kind === "invalid" && refused.code, 413);
});
