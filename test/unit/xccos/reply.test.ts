import assert from "node:assert/strict";
import { test } from "node:test";
import type { WireMessage } from "../../../src/xccos/grpchat.ts";
import { encodeReply, historyData, type JoinedRoom, joinData, response } from "../../../src/xccos/reply.ts";
import { parseXml, type XmlElement } from "../../../src/xccos/xml.ts";

function blocks(data: string, name: string): XmlElement[] {
  return parseXml(Buffer.from(`<data>${data}</data>`)).children.filter((child) => child.name === name);
}

test("a reply names the command by the command's envid and seqid, not by its own", () => {
  const xml = encodeReply({
    name: "join",
    seqid: "3",
    envid: "77",
    commandSeqid: "2",
    ...response("SUCCESS_OK"),
  });
  assert.equal(
    xml,
    '<rpl id="rpl:join" seqid="3"><commandid seqid="2" envid="77"/><resp code="200">SUCCESS_OK</resp><data/></rpl>',
  );
});

test("the reply's name is looked up, and a name from nowhere stays as it is", () => {
  const id = (name: string): string | undefined =>
    parseXml(
      Buffer.from(encodeReply({ name, envid: "1", commandSeqid: "1", code: 200, text: "x" })),
    ).attributes.get("id");
  assert.equal(id("getserverinfo"), "rpl:getservinfo");
  assert.equal(id("getfdtok"), "rpl:getftok");
  assert.equal(id("constructor"), "rpl:constructor");
  assert.equal(id('a"b'), 'rpl:a"b');
});

test("a response is a code, a name and a sentence for the user", () => {
  assert.deepEqual(response("SUCCESS_OK"), { code: 200, text: "SUCCESS_OK" });
  assert.deepEqual(response("ERROR_NODE_DISABLED", "The room is closed"), {
    code: 410,
    text: "ERROR_NODE_DISABLED: The room is closed",
  });
});

const room = (value: string, members: JoinedRoom["members"]): JoinedRoom => ({
  uri: `ma-chan://example.com/${value}`,
  name: value,
  members,
});

test("each user stands once in a join reply, and in one aib of each of his rooms", () => {
  const alice = { uri: "sip:alice@example.com", mask: 3984 };
  const bob = { uri: "sip:bob@example.com", mask: 12276 };
  const data = joinData({
    rooms: [room("1", [alice, bob, { ...alice, uri: "sip:Alice@Example.com" }]), room("2", [bob, alice])],
    failed: [],
  });
  const users = blocks(data, "uib").map((uib) => [uib.attributes.get("id"), uib.attributes.get("uri")]);
  assert.deepEqual(users, [
    ["0", alice.uri],
    ["1", bob.uri],
  ]);
  for (const chanib of blocks(data, "chanib")) {
    const ids = chanib.children.flatMap((aib) => aib.attributes.get("value")?.split(","));
    assert.deepEqual(ids.toSorted(), ["0", "1"]);
  }
});

test("a user given twice for one room with different masks has both and stands in one aib", () => {
  const uri = "sip:alice@example.com";
  const data = joinData({
    rooms: [
      room("1", [
        { uri, mask: 3984 },
        { uri, mask: 4096 },
      ]),
    ],
    failed: [],
  });
  const aibs = blocks(data, "chanib")[0]?.children.map((aib) => [...aib.attributes.values()]);
  assert.deepEqual(aibs, [["8080", "0"]]);
});

test("a room that failed stands as fib and brings no user", () => {
  const data = joinData({ rooms: [], failed: [{ domain: "example.com", value: "9" }] });
  assert.equal(data, '<fib key="OPERATION_FAILED" value="9" domain="example.com"/>');
});

test("a thousand users in a hundred rooms have a thousand ids", () => {
  const members = Array.from({ length: 1000 }, (_, i) => ({
    uri: `sip:u${i}@example.com`,
    mask: i % 2 ? 3984 : 12276,
  }));
  const rooms = Array.from({ length: 100 }, (_, i) => room(String(i), members));
  const ids = [...joinData({ rooms, failed: [] }).matchAll(/<uib id="(\d+)"/g)].map((match) => match[1]);
  assert.equal(ids.length, 1000);
  assert.equal(new Set(ids).size, 1000);
});

test("history beyond its size loses the oldest, keeps the order, and tells how many are left", () => {
  const messages: WireMessage[] = Array.from({ length: 10 }, (_, i) => ({
    chanUri: "ma-chan://example.com/1",
    author: "sip:alice@example.com",
    chatId: i,
    ts: i,
    chat: "ä".repeat(500),
  }));
  const shownIds = (data: string): (string | undefined)[] =>
    blocks(data, "chanib")[0]?.children.map((msg) => msg.attributes.get("chatId")) ?? [];

  const { data, shown } = historyData("ma-chan://example.com/1", messages, 4000);
  assert.deepEqual(shownIds(data), ["7", "8", "9"]);
  assert.equal(shown, 3);
  assert.equal(historyData("ma-chan://example.com/1", messages).shown, 10);
  const tight = historyData("ma-chan://example.com/1", messages, 10);
  assert.deepEqual([shownIds(tight.data), tight.shown], [["9"], 1], "a long message does not hide itself");
  assert.equal(historyData("ma-chan://example.com/1", messages, 4000, () => 3000).shown, 1);
});
