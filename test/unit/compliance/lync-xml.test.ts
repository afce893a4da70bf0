import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { SaxesParser } from "saxes";
import { type ComplianceEvent, canonicalBody } from "../../../src/chat/compliance-event.ts";
import { type ArchivedEvent, decodeEvent } from "../../../src/compliance/archived-event.ts";
import type { RenderedBatch } from "../../../src/compliance/formats/format.ts";
import { ticks, timeAttributes } from "../../../src/compliance/formats/lync-time.ts";
import { lyncXml } from "../../../src/compliance/formats/lync-xml.ts";
import { eventMaker, seeded } from "../../support/compliance-events.ts";
import { validate } from "../../support/xmllint.ts";

const schema = fileURLToPath(new URL("../../vectors/lync-compliance.xsd", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "parlance-lync-xml-"));

after(() => rmSync(folder, { recursive: true, force: true }));

function decode(events: readonly ComplianceEvent[]): ArchivedEvent[] {
  return events.map((event) =>
    decodeEvent({ eventId: event.eventId, body: Buffer.from(canonicalBody(event)) }),
  );
}

function render(events: readonly ComplianceEvent[], filePerRoom = false): RenderedBatch {
  return lyncXml.render(decode(events), { filePerRoom });
}

const xmlOf = (batch: RenderedBatch) => batch.parts[0]?.bytes.toString("utf8") ?? "";

async function faultsOf(xml: string): Promise<string | undefined> {
  const file = join(folder, `${Math.random().toString(36).slice(2)}.xml`);
  writeFileSync(file, xml);
  return validate(file, schema);
}

/** The attributes of every element, as a strict parser reads them back. */
function elements(xml: string): { name: string; attributes: Record<string, string> }[] {
  const found: { name: string; attributes: Record<string, string> }[] = [];
  const parser = new SaxesParser();
  parser.on("error", (error) => {
    throw error;
  });
  parser.on("opentag", (tag) => found.push({ name: tag.name, attributes: { ...tag.attributes } }));
  parser.write(xml).close();
  return found;
}

const chat = (text: string, number = 1) => ({ kind: "CHAT", number, alert: false, text, rtf: null }) as const;

describe("Lync's compliance XML", () => {
  test("one of each kind, in Lync's structure, to the byte", async () => {
    const make = eventMaker("");
    const at = 1_795_395_600_123;
    const events = [
      make({ atMs: at, fact: { kind: "JOIN" } }),
      make({ atMs: at + 877, fact: chat("line 1\nline <2>\t\"&'\r", 901) }),
      make({
        atMs: at + 900,
        stream: "read:n1-1",
        fact: { kind: "BACKCHAT", from: 3, to: 9, count: 7, limit: 25 },
      }),
      make({ atMs: at + 1_000, fact: { kind: "PART", reason: "left" } }),
    ];
    const batch = render(events);
    const sender =
      '<Sender UserName="User 17" id="17" email="user17@example.com" internal="true" uri="sip:user17@example.com"/>';
    const time = (ms: number) => `<DateTimeUTC ${timeAttributes(ms)}/>`;
    const message = (tag: string, attributes: string, ms: number) =>
      `  <${tag} ${attributes}>\n   ${sender}\n   ${time(ms)}\n  </${tag}>`;
    const join = 'type="JOIN" content="" id="0"';
    assert.equal(
      xmlOf(batch),
      [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<Conversations>",
        " <Conversation>",
        '  <Channel uri="ma-chan://example.com/room-1" name="Room 1"/>',
        message("FirstMessage", join, at),
        "  <Messages>",
        message("Message", join, at),
        message(
          "Message",
          'type="CHAT" content="line 1&#xA;line &lt;2&gt;&#x9;&quot;&amp;\'&#xD;" id="901"',
          at + 877,
        ),
        message("Message", 'type="BACKCHAT" content="since=3;limit=25;returned=3-9/7" id="0"', at + 900),
        message("Message", 'type="PART" content="" id="0"', at + 1_000),
        "  </Messages>",
        `  <StartTimeUTC ${timeAttributes(at)}/>`,
        `  <EndTimeUTC ${timeAttributes(at + 1_000)}/>`,
        " </Conversation>",
        "</Conversations>",
        "",
      ].join("\n"),
    );
    assert.equal(await faultsOf(xmlOf(batch)), undefined);
    assert.deepEqual(
      batch.unmapped.map((line) => JSON.parse(line)),
      [{ eventId: events[3]?.eventId, kind: "PART", fields: { reason: "left" } }],
    );
  });

  test("ticks agree with the published sample and keep their last digits", () => {
    assert.equal(ticks(1_212_610_540_953), 633_482_073_409_530_000n);
    assert.equal(
      timeAttributes(1_795_395_600_123),
      'since1970="1795395600123" string="2026-11-23T01:00:00.1230000Z" long="639309924001230000"',
    );
  });

  test("what the format has no place for is written beside it, whole", () => {
    const make = eventMaker("");
    const story = make({ fact: { kind: "STORY", number: 5, alert: true, text: "t", rtf: "{\\rtf1 t}" } });
    const future = { ...make(), fact: { kind: "EDIT", number: 5 } as unknown as ComplianceEvent["fact"] }; // a kind of tomorrow
    const administered = make({
      fact: { kind: "ROOM_CHANGED", subject: "", before: { name: "Old" }, after: { name: "New" } },
    });
    const old = { number: 5, author: "sip:bob@example.com", atMs: 5, text: "said", rtf: "{\\rtf1 said}" };
    const moderated = [
      make({ fact: { kind: "MESSAGE_REMOVED", reason: "r", old } }),
      make({ fact: { kind: "MESSAGE_REPLACED", reason: "r", old, text: "new" } }),
      make({ fact: { kind: "ROOM_CLEARED", reason: "r", beforeMs: 7, to: 5, old: [old] } }),
    ];
    const batch = render([story, future, administered, ...moderated]);
    assert.deepEqual(batch.unmapped.slice(3), moderated.map(canonicalBody));
    assert.equal(batch.parts[0]?.events, 1);
    const lines = batch.unmapped.map((line) => JSON.parse(line));
    assert.deepEqual(lines[0]?.fields, { kind: "STORY", alert: true, rtf: "{\\rtf1 t}" });
    assert.equal(batch.unmapped[1], canonicalBody(future));
    assert.equal(batch.unmapped[2], canonicalBody(administered));
    for (const field of ["STORY.alert", "STORY.kind", "STORY.rtf", "kind:EDIT", "kind:ROOM_CHANGED"]) {
      assert.ok(batch.lossyFields.includes(field), field);
    }
  });

  test("a search is written as Lync wrote it, as reading; what else was asked and shown stands beside it", async () => {
    const criteria = {
      text: 'pump; "3" <x>',
      match: "all",
      caseSensitive: false,
      authors: [],
      fromMs: null,
      toMs: 5,
      start: null,
      backwards: true,
      limit: 20,
    } as const;
    const search = eventMaker("")({
      stream: "read:n1-1",
      fact: { kind: "SEARCH", criteria, shown: [3, 7, 9], matches: 40, exceeded: true },
    });
    const batch = render([search]);
    assert.match(
      xmlOf(batch),
      /type="BACKCHAT" content="search:pump; &quot;3&quot; &lt;x&gt;;limit=20;returned=3-9\/3" id="0"/,
    );
    assert.equal(await faultsOf(xmlOf(batch)), undefined);
    const { text: _text, limit: _limit, ...others } = criteria;
    assert.deepEqual(JSON.parse(batch.unmapped[0] ?? "").fields, {
      criteria: others,
      exceeded: true,
      matches: 40,
      shown: [3, 7, 9],
    });
  });

  test("order within a room follows the room's own numbers, whatever the clocks of the nodes say", () => {
    const make = eventMaker("");
    const events = [
      make({ atMs: 2_000_000_000_050, fact: chat("first", 1) }),
      make({ atMs: 2_000_000_000_000, fact: chat("second", 2) }),
      make({ atMs: 2_000_000_000_060, fact: chat("third", 3) }),
    ];
    const contents = (list: readonly ComplianceEvent[]) =>
      elements(xmlOf(render(list)))
        .filter(({ name }) => name === "Message")
        .map(({ attributes }) => attributes.content);
    assert.deepEqual(contents(events), ["first", "second", "third"]);
    assert.deepEqual(contents(events.toReversed()), ["first", "second", "third"]);
  });

  test("one file per room on request, and a renamed room is two conversations of one file", async () => {
    const make = eventMaker("");
    const events = [
      make({ roomId: 2 }),
      make({ roomId: 1, roomName: "old" }),
      make({ roomId: 1, roomName: "new" }),
    ];
    const batch = render(events, true);
    assert.deepEqual(
      batch.parts.map(({ roomIds, events: count }) => [roomIds, count]),
      [
        [[1], 2],
        [[2], 1],
      ],
    );
    const names = elements(xmlOf(batch)).filter(({ name }) => name === "Channel");
    assert.deepEqual(
      names.map(({ attributes }) => attributes.name),
      ["old", "new"],
    );
    for (const part of batch.parts) assert.equal(await faultsOf(part.bytes.toString()), undefined);
  });

  test("an id beyond xs:int is refused, not wrapped", () => {
    const make = eventMaker("");
    assert.throws(() => render([make({ fact: chat("x", 2 ** 31) })]), { name: "UnfitEvent" });
    assert.throws(() => render([make({ userId: 2 ** 31 })]), { name: "UnfitEvent" });
    assert.equal(render([make({ fact: chat("x", 2 ** 31 - 1) })]).parts.length, 1);
  });

  test("hostile text comes back exactly, or with U+FFFD and the exact body beside it", async () => {
    const random = seeded(20_261_123);
    const alphabet = [
      "\0",
      "\u0001",
      "\u0008",
      "\t",
      "\n",
      "\u000b",
      "\r",
      "\u001f",
      " ",
      "&",
      "<",
      ">",
      '"',
      "'",
      "]]>",
      "&#10;",
      "&amp;",
      "<!--",
      "<![CDATA[",
      "\u007f",
      "\u0085",
      "\u00a0",
      "\u2028",
      "\ufffe",
      "\uffff",
      "\ufffd",
      "\ud800",
      "\udc00",
      "\ud83d\ude00",
      "\u202e",
      "a",
      "é",
      "漢",
      "\u{10ffff}",
      "\r\n",
      "%",
      "%zz",
    ];
    const hostile = () =>
      Array.from(
        { length: 1 + Math.floor(random() * 12) },
        () => alphabet[Math.floor(random() * alphabet.length)],
      ).join("");
    const make = eventMaker("");
    const events = Array.from({ length: 2_000 }, (_, index) =>
      make({ fact: chat(hostile(), index + 1), name: hostile(), roomId: 1 }),
    );
    const batch = render(events);
    const xml = xmlOf(batch);
    assert.equal(await faultsOf(xml), undefined);
    const read = elements(xml);
    const messages = read.filter(({ name }) => name === "Message");
    const senders = read.filter(({ name }) => name === "Sender").slice(1); // the first belongs to FirstMessage
    const aside = new Set(batch.unmapped);
    assert.equal(messages.length, events.length);
    let exact = 0;
    events.forEach((event, index) => {
      const pairs = [
        [event.fact.kind === "CHAT" ? event.fact.text : "", messages[index]?.attributes.content],
        [event.user.displayName, senders[index]?.attributes.UserName],
      ];
      const same = pairs.every(([given, got]) => given === got);
      if (same) exact++;
      else {
        assert.ok(aside.has(canonicalBody(event)), "the exact body is in unmapped.jsonl");
        for (const [given, got] of pairs) assert.equal(got, given && replaced(given));
      }
    });
    assert.ok(exact > 50 && exact < 1_900, `the corpus has both sorts: ${exact}`);
    assert.ok(batch.lossyFields.includes("content") && batch.lossyFields.includes("actor.name"));
  });

  test("the same events in another order give the same bytes", () => {
    const random = seeded(7);
    const make = eventMaker("");
    const events = Array.from({ length: 300 }, () => make({ roomId: 1 + Math.floor(random() * 5) }));
    const shuffled = [...events].sort(() => random() - 0.5);
    assert.deepEqual(render(shuffled), render(events));
  });
});

describe("the grammar refuses", { concurrency: 4 }, () => {
  const good = xmlOf(render([eventMaker("")({ atMs: 1_795_395_600_000, fact: chat("x", 5) })]));
  const cases: readonly (readonly [string, string | RegExp, string])[] = [
    ["a type of its own", 'type="CHAT"', 'type="EDIT"'],
    ["no type", 'type="CHAT" ', ""],
    ["a message id beyond 32 bit", 'id="5"', 'id="2147483648"'],
    ["a user id that is no number", 'id="17"', 'id="x"'],
    ["the attribute islogged", "<Channel ", '<Channel islogged="" '],
    ["userName for UserName", "UserName=", "userName="],
    ["a namespace", "<Conversations>", '<Conversations xmlns="urn:x">'],
    ["no FirstMessage", /<FirstMessage[\s\S]*<\/FirstMessage>/, ""],
    ["no sender", /<Sender [^>]*\/>/, ""],
    ["two senders", /(<Sender [^>]*\/>)/, "$1$1"],
    ["a time before the sender", /(<Sender [^>]*\/>)\s*(<DateTimeUTC [^>]*\/>)/, "$2$1"],
    ["a local time", 'string="2026-11-23T01:00:00.0000000Z"', 'string="2026-11-23T01:00:00"'],
    ["ticks with a fraction", /long="(\d+)"/, 'long="$1.5"'],
    ["no end", /<EndTimeUTC [^>]*\/>/, ""],
    ["an element of its own", "</Messages>", "<Note/></Messages>"],
    ["text between elements", "<Messages>", "<Messages>text"],
    ["a raw control character", 'content="x"', 'content="\u0001"'],
    ["a reference to a control character", 'content="x"', 'content="&#1;"'],
    ["an unescaped less-than sign", 'content="x"', 'content="<"'],
  ];
  for (const [what, find, put] of cases) {
    test(what, async () => {
      const bad = good.replace(find, put);
      assert.notEqual(bad, good);
      assert.notEqual(await faultsOf(bad), undefined);
    });
  }
});

/** What XML 1.0 cannot write becomes U+FFFD, one for each; written apart from the product's own pattern. */
function replaced(text: string): string {
  return [...text]
    .map((char) => {
      const code = char.codePointAt(0) ?? 0;
      const legal =
        code === 9 ||
        code === 10 ||
        code === 13 ||
        (code >= 0x20 && code < 0xd800) ||
        (code > 0xdfff && code < 0xfffe) ||
        code > 0xffff;
      return legal ? char : "\ufffd";
    })
    .join("");
}
