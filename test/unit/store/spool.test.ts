import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { SearchedCriteria } from "../../../src/chat/history-search.ts";
import type { SpooledReading } from "../../../src/chat/reading.ts";
import type { Recorder } from "../../../src/ports.ts";
import type { SpoolJournal } from "../../../src/reading-ports.ts";
import { formatIncarnation } from "../../../src/sip/dialog.ts";
import { ReadingSpool } from "../../../src/store/spool/reading-spool.ts";
import { decodeFile, encodeLine, MAX_LINE_BYTES } from "../../../src/store/spool/spool-line.ts";
import { mayMount, SmallDisk } from "../../chaos/small-disk.ts";
import { aRoom, aSession } from "../../support/sessions.ts";
import { until } from "../../support/until.ts";

const LIFE = formatIncarnation("n1", 5);
const ROOM = aRoom(7, { reading: "buffered" });
const STRICT = aRoom(8);
const BY: Recorder = aSession("alice", 1);
const span = (to: number) => ({ from: 1, to, count: to, limit: 30 });

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "parlance-spool-"));
  folders.push(folder);
  return join(folder, "spool");
}

/** A journal in memory that can be held up, and a spool on it. */
function open({ folder = newFolder(), entries = 1_000, bytes = 1_000_000 } = {}) {
  const recorded: SpooledReading[] = [];
  const strict: number[] = [];
  const said: (string | undefined)[] = [];
  const errors: unknown[] = [];
  let nowMs = 0;
  const state = { isAway: false };
  const journal: SpoolJournal = {
    read: async (_by, _room, { to }) => void strict.push(to),
    searched: async (_by, _criteria, rooms) => void strict.push(rooms.length),
    spooled: async (_life, spooled) => {
      if (state.isAway) throw new Error("away");
      recorded.push(...spooled);
    },
  };
  const spool = new ReadingSpool({
    ...{ folder, life: LIFE, store: "store", journal, most: { entries, bytes } },
    clock: { nowMs: () => 1_000, monotonicMs: () => nowMs },
    onStrict: (why) => said.push(why),
    onError: (error) => errors.push(error),
  });
  const later = (ms: number) => {
    nowMs += ms;
  };
  return { folder, spool, recorded, strict, said, errors, state, later };
}

const files = (folder: string) => readdirSync(folder).sort();
const inFiles = (folder: string) =>
  files(folder).flatMap((name) => decodeFile(readFileSync(join(folder, name))).spooled);

test("a reading of a buffered room is on the disk when it is answered, and in the journal within a second, in order", async () => {
  const { folder, spool, recorded, strict } = open();
  await Promise.all([1, 2, 3].map((to) => spool.read(BY, ROOM, span(to))));
  await spool.read(BY, ROOM, span(4));
  await spool.read(BY, STRICT, span(9));
  assert.deepEqual(strict, [9]);
  const [spooled] = inFiles(folder);
  assert.deepEqual(spooled?.readings, [
    { room: { id: 7, uri: ROOM.uri, name: ROOM.name }, fact: { kind: "BACKCHAT", ...span(1) } },
  ]);
  assert.equal(spooled?.session.length, 16);
  assert.ok(
    !readFileSync(join(folder, files(folder)[0] ?? "")).includes(BY.token),
    "no token is on the disk",
  );
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, files(folder)[0] ?? "")).mode & 0o777, 0o600);
  await until("they are recorded", () => recorded.length === 4, 1_000);
  assert.deepEqual(
    recorded.map(({ number, readings }) => [number, readings[0]?.fact]),
    [1, 2, 3, 4].map((to) => [to, { kind: "BACKCHAT", ...span(to) }]),
  );
  assert.deepEqual(spool.figures, { entries: 0, oldestMs: 0 });
  await spool.stop();
  assert.deepEqual(files(folder), []);
});

test("a search is buffered only when all its rooms are", async () => {
  const { spool, recorded, strict } = open();
  const criteria: SearchedCriteria = {
    ...{ text: "x", match: "all", caseSensitive: false, authors: [], fromMs: null, toMs: null, start: null },
    ...{ backwards: true, limit: 10 },
  };
  const found = (room: typeof ROOM) => ({ room, shown: [1], matches: 1, exceeded: false });
  await spool.searched(BY, criteria, [found(ROOM), found(STRICT)]);
  assert.deepEqual(strict, [2]);
  await spool.searched(BY, criteria, [found(ROOM), found(aRoom(9, { reading: "buffered" }))]);
  await spool.stop();
  assert.deepEqual(strict, [2]);
  assert.deepEqual(
    recorded.map(({ readings }) => readings.map(({ room, fact }) => [room.id, fact.kind])),
    [
      [
        [7, "SEARCH"],
        [9, "SEARCH"],
      ],
    ],
  );
});

test("what cannot be recorded stays on the disk, also at a stop, and the journal's trouble is said once", async () => {
  const { folder, spool, state, errors } = open();
  state.isAway = true;
  for (const to of [1, 2, 3]) await spool.read(BY, ROOM, span(to));
  assert.equal(spool.figures.entries, 3);
  await until("it was tried", () => errors.length > 0);
  await spool.stop();
  assert.deepEqual(
    inFiles(folder).map(({ number }) => number),
    [1, 2, 3],
  );
  assert.equal(errors.length, 1);
});

test("a full spool makes readings strict until it is half empty, and says so once", async () => {
  const { spool, state, strict, said, recorded } = open({ entries: 4 });
  state.isAway = true;
  for (const to of [1, 2, 3, 4, 5, 6]) await spool.read(BY, ROOM, span(to));
  assert.deepEqual(strict, [5, 6]);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? "", /full/);
  state.isAway = false;
  await until("it is recorded", () => recorded.length === 4);
  await spool.read(BY, ROOM, span(7));
  assert.deepEqual(strict, [5, 6]);
  assert.equal(said.length, 2);
  assert.equal(said[1], undefined);
  await spool.stop();
  assert.deepEqual(
    recorded.map(({ readings }) => readings[0]?.fact.kind === "BACKCHAT" && readings[0].fact.to),
    [1, 2, 3, 4, 7],
  );
});

test("files do not grow for ever, and go when all in them is recorded", async () => {
  const { folder, spool, state, recorded } = open({ entries: 100_000, bytes: 64 << 20 });
  const long = aRoom(7, { reading: "buffered", name: "x".repeat(40_000) });
  state.isAway = true;
  for (let to = 1; to <= 60; to++) await spool.read(BY, long, span(to));
  assert.equal(files(folder).length, 3);
  state.isAway = false;
  await until("they are recorded", () => recorded.length === 60);
  await until("the full files are gone", () => files(folder).length === 1);
  await spool.stop();
  assert.deepEqual(
    recorded.map(({ number }) => number),
    Array.from({ length: 60 }, (_, at) => at + 1),
  );
});

test("an answer too long for a line is recorded strictly", async () => {
  const { spool, strict } = open();
  await spool.read(BY, aRoom(7, { reading: "buffered", name: "x".repeat(MAX_LINE_BYTES) }), span(1));
  assert.deepEqual(strict, [1]);
  await spool.stop();
});

test("a folder that cannot be written makes readings strict, until it can be", async () => {
  const { folder, spool, strict, said, recorded, later } = open();
  writeFileSync(folder, "no folder");
  for (const to of [1, 2]) await spool.read(BY, ROOM, span(to));
  assert.deepEqual(strict, [1, 2]);
  assert.equal(said.length, 1);
  rmSync(folder);
  await spool.read(BY, ROOM, span(3));
  assert.deepEqual(strict, [1, 2, 3], "not tried again at once");
  later(60_000);
  await spool.read(BY, ROOM, span(4));
  assert.equal(said.length, 2);
  await spool.stop();
  assert.deepEqual([strict, recorded.length], [[1, 2, 3], 1]);
});

test("a disk that fills up makes readings strict, and what was answered before is all on it", {
  skip: mayMount() ? false : "may not mount a file system",
}, async () => {
  const { folder, spool, state, strict, said, later } = open();
  const disk = SmallDisk.under(folder, 1);
  try {
    state.isAway = true;
    await spool.read(BY, ROOM, span(1));
    disk.fill();
    const long = aRoom(7, { reading: "buffered", name: "x".repeat(20_000) });
    for (const to of [2, 3]) await spool.read(BY, long, span(to));
    assert.deepEqual(strict, [2, 3]);
    assert.match(said[0] ?? "", /ENOSPC/);
    disk.empty();
    later(60_000);
    await spool.read(BY, ROOM, span(4));
    assert.deepEqual(strict, [2, 3]);
    await spool.stop();
    assert.deepEqual(
      inFiles(folder).map(({ readings }) => readings[0]?.fact.kind === "BACKCHAT" && readings[0].fact.to),
      [1, 4],
    );
  } finally {
    disk.remove();
  }
});

test("a file that somebody else has taken over takes no further reading: that one is recorded strictly", async () => {
  const { folder, spool, state, strict } = open();
  state.isAway = true;
  await spool.read(BY, ROOM, span(1));
  const [name = ""] = files(folder);
  const bytes = readFileSync(join(folder, name));
  rmSync(join(folder, name));
  writeFileSync(join(folder, `${name}.taken`), bytes);
  await spool.read(BY, ROOM, span(2));
  assert.deepEqual(strict, [2]);
  await spool.stop();
});

test("of a torn line at the end nothing is left; a whole line with a wrong byte is damage, and the other lines are there", async () => {
  const { folder, spool, state } = open();
  state.isAway = true;
  for (const to of [1, 2, 3]) await spool.read(BY, ROOM, span(to));
  await spool.stop();
  const [name = ""] = files(folder);
  const bytes = readFileSync(join(folder, name));
  const numbers = (content: Buffer) => {
    const { header, spooled, damaged } = decodeFile(content);
    return [header?.life, spooled.map(({ number }) => number), damaged];
  };
  assert.deepEqual(numbers(bytes), [LIFE, [1, 2, 3], false]);
  for (let cut = 1; cut < 40; cut++)
    assert.deepEqual(numbers(bytes.subarray(0, -cut)), [LIFE, [1, 2], false], `${cut} bytes cut off`);
  const second = bytes.indexOf('"number":2');
  bytes[second + 9] = 0x35;
  assert.deepEqual(numbers(bytes), [LIFE, [1, 3], true]);
  assert.deepEqual(numbers(Buffer.alloc(0)), [undefined, [], false]);
  assert.deepEqual(numbers(Buffer.from("0000")), [undefined, [], false]);
  appendFileSync(join(folder, name), "00000000 {}\n");
  assert.deepEqual(numbers(readFileSync(join(folder, name))), [LIFE, [1, 2, 3], true], "the last one too");
});

test("a line says nothing that JSON could not hold, and is one line whatever is in it", () => {
  const spooled: SpooledReading = {
    ...{ number: 1, atMs: 2, session: "s" },
    user: { id: 1, uri: "sip:a@example.com", displayName: "a\nb\u2028\ud800", email: null },
    readings: [],
  };
  const line = encodeLine(spooled);
  assert.ok(line);
  assert.equal(line.indexOf("\n"), line.length - 1);
  const header = encodeLine({ v: 1, life: LIFE, store: "s" }) ?? Buffer.alloc(0);
  assert.deepEqual(decodeFile(Buffer.concat([header, line])).spooled, [spooled]);
});
