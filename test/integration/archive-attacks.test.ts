import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { ComplianceEvent } from "../../src/chat/compliance-event.ts";
import { DELIVERY, DELIVERY_STREAM } from "../../src/compliance/delivery.ts";
import { readableCheckpoints, writeCheckpoint, writeNote } from "../../src/compliance/log/checkpoint.ts";
import { type Signer, signNote } from "../../src/compliance/log/note.ts";
import { type PurgeDetail, RETENTION_PURGE, signPurge } from "../../src/compliance/log/purge.ts";
import { KEY_ROTATE, signRotation } from "../../src/compliance/log/rotation.ts";
import { CheckpointList } from "../../src/compliance/verify/checkpoint-list.ts";
import { ExportSource } from "../../src/compliance/verify/export-source.ts";
import { COMPL_EXPORT, exportLog } from "../../src/compliance/verify/export-writer.ts";
import type { StoredLeaf } from "../../src/compliance/verify/ports.ts";
import { verifyLog } from "../../src/compliance/verify/verify.ts";
import { recordArchiveEvent, recordForSealer } from "../../src/store/mysql/archive-events.ts";
import { MysqlArchiveReader } from "../../src/store/mysql/archive-reader.ts";
import type { Queries } from "../../src/store/mysql/database.ts";
import { append, purgeBody, purgeLine, reseal, rewrite } from "../support/archive-forger.ts";
import { ArchiveLab, makeSealer, newSigner } from "../support/archive-lab.ts";
import { eventMaker } from "../support/compliance-events.ts";

const SIZE = 3_000;
const EVERY = 500;
/** Of the administration's stream. */
const AUDIT = 2_345;
const PURGED = { from: 100, to: 119 };
/** Purges of these are sealed too, but nobody's, or a key's that was changed before. */
const UNSIGNED = 1_236;
const OUTDATED = 1_237;
/** Somebody took the archive's events out; a run of the adapter brought files. */
const EXPORTED = 2_500;
const DELIVERED = 2_501;

const lab = new ArchiveLab(() => fill());
const oldSigner = newSigner();
const signer = newSigner();
const stranger = newSigner();
const make = eventMaker("");
const nobody = { id: 0, uri: "admin:root", displayName: "root", email: null };
let folder = "";
let clean = "";
/** The checkpoint that the auditor got by mail. */
let mailed: readonly CheckpointList[] = [];

async function fill(): Promise<void> {
  let sealed = 0;
  const seal = async (events: readonly ComplianceEvent[], by = signer) => {
    await lab.record(events);
    const { sealer } = makeSealer(lab.database, by, { everyLeaves: EVERY, batch: EVERY });
    sealed += (await sealer.sealNow()).sealed;
    await sealer.stop();
  };
  const own = async (kind: string, detail: Parameters<typeof recordArchiveEvent>[1]["detail"]) => {
    const eventId = await recordArchiveEvent(lab.database, {
      kind,
      detail,
      actor: nobody,
      node: "n1",
      atMs: Date.now(),
    });
    await lab.move([{ eventId }]);
  };
  const chats = (to: number) =>
    Array.from({ length: to - sealed }, (_, index) => {
      const seq = sealed + index;
      if (seq % 97 === 0 || seq === AUDIT)
        return make({
          stream: "administration",
          fact: { kind: "ROOM_DELETED", subject: `room ${seq}`, before: null, after: null },
        });
      return make({ roomId: 1 + (seq % 7) });
    });
  await seal(chats(EVERY), oldSigner);
  await seal(chats(2 * EVERY), oldSigner);
  const [before] = await lab.database.rows<{ size: number; root: Buffer }>(
    "SELECT size, root FROM archive_checkpoint ORDER BY size DESC LIMIT 1",
  );
  assert.ok(before);
  await own(KEY_ROTATE, { ...(await signRotation(oldSigner, signer, before)) });
  await seal(chats(3 * EVERY - 4));
  await own(RETENTION_PURGE, { policy: "P", ...(await signPurge([[PURGED.from, PURGED.to]], signer)) });
  // What anybody can do who writes into the outbox, and who has a key that was changed: the worker seals and signs it.
  await own(RETENTION_PURGE, { policy: "P", ranges: [[UNSIGNED, UNSIGNED]] });
  await own(RETENTION_PURGE, { policy: "P", ...(await signPurge([[OUTDATED, OUTDATED]], oldSigner)) });
  await seal([]);
  await lab.database.change("DELETE FROM archive_content WHERE seq >= ? AND seq <= ?", [
    PURGED.from,
    PURGED.to,
  ]);
  while (sealed < EXPORTED) await seal(chats((Math.floor(sealed / EVERY) + 1) * EVERY));
  await own(COMPL_EXPORT, { events: 2_500, folder: "/tmp/out", from: 0, reason: "curiosity", to: 2_499 });
  const files = [{ name: "compliance-1.xml", bytes: 1_000, sha256: "ab".repeat(32) }];
  const adapter = { id: 0, uri: "adapter:lync-xml", displayName: "lync-xml", email: null };
  const delivery = { kind: DELIVERY, detail: { runId: "r1", events: 7, files }, actor: adapter };
  await recordForSealer(lab.database, { ...delivery, node: "n1", atMs: Date.now() }, DELIVERY_STREAM);
  await seal(chats(SIZE - 2));
  const found = await lab.database.rows<{ seq: number }>(
    `SELECT seq FROM archive_leaf WHERE leaf LIKE '%"kind":"${COMPL_EXPORT}"%' OR leaf LIKE '%"kind":"${DELIVERY}"%' ORDER BY seq`,
  );
  assert.deepEqual(
    found.map(({ seq }) => seq),
    [EXPORTED, DELIVERED],
  );
  const rows = await lab.database.rows<{ size: number; note: string }>(
    "SELECT size, note FROM archive_checkpoint ORDER BY size",
  );
  assert.equal(rows.at(-1)?.size, SIZE);
  folder = mkdtempSync(join(tmpdir(), "parlance-export-"));
  mailed = await outside(rows.at(-1)?.note ?? "");
  clean = join(folder, "clean");
  await exportLog(new MysqlArchiveReader(lab.database), clean, [signer]);
}
after(() => rmSync(folder, { recursive: true, force: true }));

async function outside(note: string): Promise<CheckpointList[]> {
  const file = join(folder, `mail-${createHash("sha256").update(note).digest("hex").slice(0, 8)}.txt`);
  writeFileSync(file, note);
  return [await CheckpointList.read(file)];
}

async function content(queries: Queries, seq: number, change: (body: string) => string): Promise<void> {
  const [row] = await queries.rows<{ body: Buffer }>("SELECT body FROM archive_content WHERE seq = ?", [seq]);
  const body = change(row?.body.toString() ?? "");
  assert.notEqual(body, row?.body.toString());
  await queries.change("UPDATE archive_content SET body = ? WHERE seq = ?", [body, seq]);
}

async function note(queries: Queries, size: number, text: string): Promise<void> {
  await queries.change("UPDATE archive_checkpoint SET note = ? WHERE size = ?", [text, size]);
}

async function cutTail(queries: Queries, from: number): Promise<void> {
  for (const table of ["leaf", "content"])
    await queries.change(`DELETE FROM archive_${table} WHERE seq >= ?`, [from]);
}

/** As if the database of that time had been restored. */
async function restore(queries: Queries, size: number): Promise<void> {
  await rewrite(queries, { from: size, events: () => [] });
  await queries.change("DELETE FROM archive_checkpoint WHERE size > ?", [size]);
}

const asItWas = (like: StoredLeaf) => ({ like, body: like.body ?? Buffer.alloc(0) });
const isNoRotation = ({ body }: StoredLeaf) => !body?.includes(KEY_ROTATE);

/** Another text in one message, and all behind it made to fit. */
function forge(queries: Queries, from: number, by?: Signer): Promise<void> {
  const massaged = (like: StoredLeaf) => ({
    like,
    body: Buffer.from(like.body?.toString().replace("message", "massage") ?? ""),
  });
  return rewrite(queries, {
    from,
    ...(by && { signer: by }),
    events: ([first, ...rest]) => (first ? [massaged(first), ...rest.map(asItWas)] : []),
  });
}

interface Attack {
  readonly what: string;
  readonly seq: number;
  readonly field: RegExp;
  readonly attack: (queries: Queries) => Promise<unknown>;
  /** Only somebody who has kept a checkpoint elsewhere can find it. */
  readonly external?: true;
}

const swap = (queries: Queries, table: string, columns: readonly string[], a: number, b: number) =>
  queries.change(
    `UPDATE ${table} x JOIN (SELECT * FROM ${table} WHERE seq IN (?, ?)) y ON y.seq <> x.seq SET ` +
      `${columns.map((column) => `x.${column} = y.${column}`).join(", ")} WHERE x.seq IN (?, ?)`,
    [a, b, a, b],
  );

const ATTACKS: readonly Attack[] = [
  {
    what: "a letter of a message is changed",
    seq: 700,
    field: /^text$/,
    attack: (q) => content(q, 700, (body) => body.replace("message", "massage")),
  },
  {
    what: "a message gets another time",
    seq: 1_701,
    field: /^at$/,
    attack: (q) => content(q, 1_701, (body) => body.replace(/"at":\d+/, '"at":1700000000000')),
  },
  {
    what: "a message gets another author",
    seq: 702,
    field: /^actor$/,
    attack: (q) => content(q, 702, (body) => body.replace("user17@example.com", "user18@example.com")),
  },
  {
    what: "two messages change rooms",
    seq: 710,
    field: /^room$/,
    attack: async (q) => {
      await content(q, 710, (body) => body.replaceAll(/Room \d/g, "Room 9"));
      await content(q, 711, (body) => body.replaceAll(/Room \d/g, "Room 9"));
    },
  },
  {
    what: "the bodies of two messages are exchanged",
    seq: 720,
    field: /.+/,
    attack: (q) => swap(q, "archive_content", ["body"], 720, 727),
  },
  {
    what: "the contents of two messages are exchanged, salts too",
    seq: 720,
    field: /.+/,
    attack: (q) => swap(q, "archive_content", ["body", "salts"], 720, 727),
  },
  {
    what: "a byte of a leaf is changed",
    seq: 800,
    field: /^leaf hash$/,
    attack: (q) =>
      q.change(
        'UPDATE archive_leaf SET leaf = REPLACE(leaf, \'"kind":"CHAT"\', \'"kind":"CHAR"\') WHERE seq = 800',
      ),
  },
  {
    what: "a leaf is changed and its hash with it",
    seq: 801,
    field: /^at$|^leaf$/,
    attack: (q) =>
      q.change(
        "UPDATE archive_leaf SET leaf = REPLACE(leaf, '\"at\":1', '\"at\":2'), leaf_hash = UNHEX(SHA2(CONCAT(CHAR(0), REPLACE(leaf, '\"at\":1', '\"at\":2')), 256)) WHERE seq = 801",
      ),
  },
  {
    what: "the hash of a leaf is changed",
    seq: 802,
    field: /^leaf hash$/,
    attack: (q) => q.change("UPDATE archive_leaf SET leaf_hash = UNHEX(SHA2('x', 256)) WHERE seq = 802"),
  },
  {
    what: "a message is written anew with all that can be calculated of it",
    seq: 1_800,
    field: /^leaf$/,
    attack: (q) => reseal(q, 1_800, (body) => body.replace("message", "massage")),
  },
  {
    what: "the same, with the only link to it behind the next checkpoint",
    seq: 1_999,
    field: /^leaf$/,
    attack: (q) => reseal(q, 1_999, (body) => body.replace("message", "massage")),
  },
  {
    what: "the last message of a room is written anew: nothing links to it",
    seq: 2_500,
    field: /^root of events 2500 to 2999$/,
    attack: async (q) => {
      await reseal(q, 2_999, (body) => body.replace("message", "massage"));
    },
  },
  {
    what: "an event of the administration, which officers are held to account by, is changed",
    seq: AUDIT,
    field: /^detail$/,
    attack: (q) => content(q, AUDIT, (body) => body.replace(`room ${AUDIT}`, "room 1")),
  },
  {
    what: "who exported the archive is somebody else",
    seq: EXPORTED,
    field: /^actor$/,
    attack: (q) => content(q, EXPORTED, (body) => body.replace("admin:root", "admin:eve")),
  },
  {
    what: "an export of the archive was of fewer events",
    seq: EXPORTED,
    field: /^detail$/,
    attack: (q) => content(q, EXPORTED, (body) => body.replace('"to":2499', '"to":2')),
  },
  {
    what: "that somebody exported the archive is deleted",
    seq: EXPORTED,
    field: /^event$/,
    attack: async (q) => {
      await q.change("DELETE FROM archive_leaf WHERE seq = ?", [EXPORTED]);
      await q.change("DELETE FROM archive_content WHERE seq = ?", [EXPORTED]);
    },
  },
  {
    what: "an export of the archive is written anew with all that can be calculated of it: nothing links to it",
    seq: EXPORTED,
    field: /^root of events 2500 to 2999$/,
    attack: (q) => reseal(q, EXPORTED, (body) => body.replace("curiosity", "an audit")),
  },
  {
    what: "an export of the archive is left out, everything behind it is written anew and signed with the stolen key",
    seq: 2_999,
    field: /^event$/,
    external: true,
    attack: (q) => rewrite(q, { from: EXPORTED, signer, events: (old) => old.slice(1).map(asItWas) }),
  },
  {
    what: "a file that was delivered has another hash",
    seq: DELIVERED,
    field: /^detail$/,
    attack: (q) => content(q, DELIVERED, (body) => body.replace("abab", "acac")),
  },
  {
    what: "the content of a delivery's record is deleted",
    seq: DELIVERED,
    field: /^content$/,
    attack: (q) => q.change("DELETE FROM archive_content WHERE seq = ?", [DELIVERED]),
  },
  {
    what: "an event in the middle is deleted",
    seq: 900,
    field: /^event$/,
    attack: async (q) => {
      await q.change("DELETE FROM archive_leaf WHERE seq = 900");
      await q.change("DELETE FROM archive_content WHERE seq = 900");
    },
  },
  {
    what: "an event in the middle is deleted and those behind it move up",
    seq: 900,
    field: /^seq$/,
    attack: async (q) => {
      for (const table of ["leaf", "content"]) {
        await q.change(`DELETE FROM archive_${table} WHERE seq = 900`);
        await q.change(`UPDATE archive_${table} SET seq = seq - 1 WHERE seq > 900 ORDER BY seq`);
      }
    },
  },
  {
    what: "an event is inserted in the middle and those behind it make room",
    seq: 901,
    field: /^seq$/,
    attack: async (q) => {
      for (const table of ["leaf", "content"])
        await q.change(`UPDATE archive_${table} SET seq = seq + 1 WHERE seq > 900 ORDER BY seq DESC`);
      await q.change(
        "INSERT INTO archive_leaf SELECT 901, UNHEX(REPEAT('0a', 16)), 9999, 1, leaf_hash, leaf FROM archive_leaf WHERE seq = 900",
      );
      await q.change(
        "INSERT INTO archive_content SELECT 901, salts, body FROM archive_content WHERE seq = 900",
      );
    },
  },
  {
    what: "all events are deleted",
    seq: 0,
    field: /^event$|^signature of checkpoint 500$/,
    attack: (q) => cutTail(q, 0),
  },
  { what: "the last events are deleted", seq: 2_950, field: /^event$/, attack: (q) => cutTail(q, 2_950) },
  {
    what: "the last events are deleted, and the checkpoints that knew them",
    seq: 2_400,
    field: /^event/,
    attack: async (q) => {
      await cutTail(q, 2_400);
      await q.change("DELETE FROM archive_checkpoint WHERE size > 2400");
    },
  },
  {
    what: "an older state of the database is restored",
    seq: 2_000,
    field: /^event$/,
    external: true,
    attack: (q) => restore(q, 2_000),
  },
  {
    what: "the whole log is deleted, with every trace of it",
    seq: 0,
    field: /^event$/,
    external: true,
    attack: (q) => restore(q, 0),
  },
  {
    what: "everything from a message on is written anew, without the key",
    seq: 1_000,
    field: /^root of events 1000 to 1000$|^root/,
    attack: (q) => forge(q, 1_002),
  },
  {
    what: "everything from a message on is written anew and signed with the stolen key",
    seq: 2_500,
    field: /^root of events 2500 to 2999$/,
    external: true,
    attack: (q) => forge(q, 1_610, signer),
  },
  {
    what: "everything from a message on is written anew and signed with the key that was changed later, and stolen",
    seq: 500,
    field: /^root of events 500 to 999$/,
    attack: (q) => forge(q, 120, oldSigner),
  },
  {
    what: "what came after a key was changed is written anew and signed with the old one",
    seq: 1_500,
    field: /^signature of checkpoint 2000$/,
    attack: (q) => forge(q, 1_610, oldSigner),
  },
  {
    what: "the same, and the event of the change is taken out",
    seq: 0,
    field: /^signature of checkpoint 500$/,
    attack: (q) =>
      rewrite(q, { from: 120, signer: oldSigner, events: (old) => old.filter(isNoRotation).map(asItWas) }),
  },
  {
    what: "a message is left out, everything behind it is written anew and signed with the stolen key",
    seq: 2_999,
    field: /^event$/,
    external: true,
    attack: (q) =>
      rewrite(q, {
        from: 1_610,
        signer,
        events: (old) => old.slice(1).map(asItWas),
      }),
  },
  {
    what: "the root of a checkpoint is changed in its table",
    seq: 1_500,
    field: /^root of checkpoint 2000$/,
    attack: (q) => q.change("UPDATE archive_checkpoint SET root = UNHEX(SHA2('x', 256)) WHERE size = 2000"),
  },
  {
    what: "the size of a checkpoint is changed in its table",
    seq: 1_500,
    field: /^size of checkpoint 2000$/,
    attack: (q) => q.change("UPDATE archive_checkpoint SET size = 1999 WHERE size = 2000"),
  },
  {
    what: "a checkpoint's note says another root",
    seq: 1_500,
    field: /^signature of checkpoint 2000$/,
    attack: async (q) => {
      const [row] = await q.rows<{ note: string; root: Buffer }>(
        "SELECT note, root FROM archive_checkpoint WHERE size = 2000",
      );
      await note(
        q,
        2_000,
        row?.note.replace(row.root.toString("base64"), Buffer.alloc(32).toString("base64")) ?? "",
      );
    },
  },
  {
    what: "a checkpoint is signed by somebody else under the same name",
    seq: 1_500,
    field: /^signature of checkpoint 2000$/,
    attack: async (q) => {
      const [row] = await q.rows<{ root: Buffer }>("SELECT root FROM archive_checkpoint WHERE size = 2000");
      await note(
        q,
        2_000,
        await signNote(
          writeCheckpoint({ origin: stranger.name, size: 2_000, root: row?.root ?? Buffer.alloc(0) }),
          stranger,
        ),
      );
    },
  },
  {
    what: "a checkpoint is another log's, signed with the right key",
    seq: 1_500,
    field: /^origin of checkpoint 2000$/,
    attack: async (q) => {
      const [row] = await q.rows<{ root: Buffer }>("SELECT root FROM archive_checkpoint WHERE size = 2000");
      await note(
        q,
        2_000,
        await signNote(
          writeCheckpoint({ origin: "example.org/other", size: 2_000, root: row?.root ?? Buffer.alloc(0) }),
          signer,
        ),
      );
    },
  },
  {
    what: "a checkpoint is no note",
    seq: 1_500,
    field: /^checkpoint 2000$/,
    attack: (q) => note(q, 2_000, "all is well\n"),
  },
  {
    what: "content is deleted",
    seq: 1_234,
    field: /^content$/,
    attack: (q) => q.change("DELETE FROM archive_content WHERE seq = 1234"),
  },
  {
    what: "more content is deleted than the purge tells of",
    seq: 120,
    field: /^content$/,
    attack: (q) => q.change("DELETE FROM archive_content WHERE seq = 120"),
  },
  {
    what: "content is deleted, and an event of its purge put at the end",
    seq: 1_234,
    field: /^content$/,
    attack: async (q) => {
      await q.change("DELETE FROM archive_content WHERE seq = 1234");
      await forgedPurge(q);
    },
  },
  {
    what: "content is deleted, and an event of its purge put into the outbox before",
    seq: UNSIGNED,
    field: /^content$/,
    attack: (q) => q.change("DELETE FROM archive_content WHERE seq = ?", [UNSIGNED]),
  },
  {
    what: "the same, signed with a key that was changed before",
    seq: OUTDATED,
    field: /^content$/,
    attack: (q) => q.change("DELETE FROM archive_content WHERE seq = ?", [OUTDATED]),
  },
  {
    what: "a recorded purge is made to cover more",
    seq: 100,
    field: /^content$/,
    attack: async (q) => {
      await q.change("DELETE FROM archive_content WHERE seq = 1234");
      await q.change(
        "UPDATE archive_content SET body = REPLACE(body, '[100,119]', '[100,119],[1234,1234]') WHERE body LIKE '%RETENTION_PURGE%'",
      );
    },
  },
  {
    what: "salts are deleted",
    seq: 1_300,
    field: /^salts$/,
    attack: (q) => q.change("UPDATE archive_content SET salts = '' WHERE seq = 1300"),
  },
  {
    what: "a salt is changed",
    seq: 1_300,
    field: /^actor$/,
    attack: (q) =>
      q.change("UPDATE archive_content SET salts = CONCAT(CHAR(1), SUBSTRING(salts, 2)) WHERE seq = 1300"),
  },
  {
    what: "an event is assigned to another stream",
    seq: 1_400,
    field: /^stream$/,
    attack: (q) => q.change("UPDATE archive_leaf SET stream_id = 9999 WHERE seq = 1400"),
  },
  {
    what: "an event gets another number of its stream",
    seq: 1_400,
    field: /^streamSeq$/,
    attack: (q) => q.change("UPDATE archive_leaf SET stream_seq = 999999 WHERE seq = 1400"),
  },
  {
    what: "an event gets another id",
    seq: 1_400,
    field: /^eventId$/,
    attack: (q) => q.change("UPDATE archive_leaf SET event_id = UNHEX(REPEAT('0b', 16)) WHERE seq = 1400"),
  },
  {
    what: "two leaves change places",
    seq: 1_410,
    field: /^seq$/,
    attack: async (q) => {
      await q.change("UPDATE archive_leaf SET seq = 999999 WHERE seq = 1410");
      await q.change("UPDATE archive_leaf SET seq = 1410 WHERE seq = 1411");
      await q.change("UPDATE archive_leaf SET seq = 1411 WHERE seq = 999999");
    },
  },
  {
    what: "the hash of a subtree is changed",
    seq: 512,
    field: /^hash of events 512 to 767$/,
    attack: (q) =>
      q.change("UPDATE archive_node SET hash = UNHEX(SHA2('x', 256)) WHERE level = 1 AND idx = 2"),
  },
  {
    what: "the hash of a subtree is deleted",
    seq: 512,
    field: /^hash of events 512 to 767$/,
    attack: (q) => q.change("DELETE FROM archive_node WHERE level = 1 AND idx = 2"),
  },
  {
    what: "the head of a stream is changed",
    seq: SIZE,
    field: /^event 4711 of administration$/,
    attack: (q) => q.change("UPDATE archive_stream SET last_seq = 4711 WHERE name = 'administration'"),
  },
];

/** On the record, though nobody signed for it. */
function forgedPurge(queries: Queries): Promise<void> {
  return append(queries, "archive", RETENTION_PURGE, (streamSeq) =>
    purgeBody(streamSeq, { ranges: [[1_234, 1_234]] }),
  );
}

class Undone extends Error {}

/** In a transaction that is undone: each attack meets the same log. */
async function onCopy<T>(work: (queries: Queries) => Promise<T>): Promise<T> {
  let result: { readonly value: T } | undefined;
  await lab.database
    .transaction(async (queries) => {
      result = { value: await work(queries) };
      throw new Undone();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undone)) throw error;
    });
  if (!result) throw new Error("nothing was done");
  return result.value;
}

describe("verify finds in the database", { timeout: 180_000 }, () => {
  test("nothing, when nothing was changed: with a changed key, a purge on the record, and checkpoints from outside", async () => {
    for (const checkpoints of [[], mailed]) {
      const found = await lab.verify({ keys: [signer], outside: checkpoints });
      assert.equal(found.finding, undefined);
      assert.deepEqual([found.size, found.signed, found.purged], [SIZE, SIZE, 20]);
    }
    for (const from of [1, 499, 500, 1_501, 2_999, 3_000, 9_999]) {
      const found = await lab.verify({ keys: [signer], from, outside: mailed });
      assert.equal(found.finding, undefined, `from ${from}`);
      assert.equal(found.from % EVERY, 0);
      assert.ok(found.from <= from && found.from > from - EVERY - 7_000);
    }
  });

  assert.ok(ATTACKS.length >= 20);
  for (const { what, seq, field, attack, external } of ATTACKS)
    test(`${what}: event ${seq}`, async () => {
      await onCopy(async (queries) => {
        await attack(queries);
        const alone = await lab.verify({ keys: [signer] }, queries);
        const helped = await lab.verify({ keys: [signer], outside: mailed }, queries);
        if (external) assert.equal(alone.finding, undefined, "the log alone looks right");
        for (const { finding } of external ? [helped] : [alone, helped]) {
          assert.ok(finding, "found");
          assert.equal(finding.seq, seq, JSON.stringify(finding));
          assert.match(finding.field, field, JSON.stringify(finding));
          assert.notEqual(finding.expected, finding.found);
        }
      });
    });

  test("the same differences when it begins in the middle, and all of them when the beginning is not right", async () => {
    await onCopy(async (queries) => {
      await content(queries, 2_600, (body) => body.replace("message", "massage"));
      assert.equal((await lab.verify({ keys: [signer], from: 2_500 }, queries)).finding?.seq, 2_600);
      await queries.change("DELETE FROM archive_node WHERE level = 1 AND idx = 2");
      assert.equal((await lab.verify({ keys: [signer], from: 2_500 }, queries)).finding?.seq, 512);
    });
  });

  test("what lies before its beginning, by the last copies before it", async () => {
    const rows = await lab.database.rows<{ note: string }>(
      "SELECT note FROM archive_checkpoint ORDER BY size",
    );
    const copies = await outside(rows.map((row) => row.note).join("\n"));
    for (const from of [2_500, SIZE])
      assert.equal((await lab.verify({ keys: [signer], from, outside: copies })).from, from);
    await onCopy(async (queries) => {
      await forge(queries, 1_610, signer);
      for (const kept of [mailed, copies])
        for (const from of [2_500, SIZE]) {
          const { finding } = await lab.verify({ keys: [signer], from, outside: kept }, queries);
          assert.match(finding?.field ?? "", /^root of events \d+ to (?:1999|2999)$/, `from ${from}`);
        }
    });
  });

  test("nothing to say by a checkpoint of another log, or one that nobody trusted has signed", async () => {
    const other = newSigner("example.org/other");
    const root = Buffer.alloc(32);
    const foreign = await signNote(writeCheckpoint({ origin: other.name, size: 5, root }), other);
    await assert.rejects(lab.verify({ keys: [signer], outside: await outside(foreign) }), {
      name: "CannotCheck",
      message: /of another log/,
    });
    const unsigned = await signNote(writeCheckpoint({ origin: stranger.name, size: 5, root }), stranger);
    await assert.rejects(lab.verify({ keys: [signer], outside: await outside(unsigned) }), {
      name: "CannotCheck",
      message: /not signed/,
    });
  });

  test("that the new key has said nothing, when a thief of the old one moves its change to the end; a newer checkpoint shows more", async () => {
    await onCopy(async (queries) => {
      await rewrite(queries, {
        from: 1_000,
        signer: oldSigner,
        events: (old) =>
          [...old.filter(isNoRotation), ...old.filter((one) => !isNoRotation(one))].map(asItWas),
      });
      // Otherwise the old key has signed more than it may.
      await queries.change("DELETE FROM archive_checkpoint WHERE size = ?", [SIZE]);
      for (const from of [0, SIZE]) {
        const alone = await lab.verify({ keys: [signer], from }, queries);
        assert.deepEqual([alone.finding, alone.signed], [undefined, 1_000]);
        assert.match(alone.open.join(), /the new one has signed nothing since: from event 1000 on/);
      }
      const { finding } = await lab.verify({ keys: [signer], outside: mailed }, queries);
      assert.equal(finding?.seq, 2_500);
    });
  });

  test("the same in an export of what was forged", async () => {
    await onCopy(async (queries) => {
      await forge(queries, 120, oldSigner);
      const dir = join(folder, "forged");
      await exportLog(new MysqlArchiveReader(queries), dir, [signer]);
      const { finding } = await verifyLog(await ExportSource.open(dir), { keys: [signer] });
      assert.deepEqual([finding?.seq, finding?.field], [500, "root of events 500 to 999"]);
    });
  });

  test("nothing, by what was mailed before the key was changed; and it still counts", async () => {
    const [row] = await lab.database.rows<{ note: string }>(
      "SELECT note FROM archive_checkpoint WHERE size = 500",
    );
    const early = await outside(row?.note ?? "");
    assert.equal((await lab.verify({ keys: [signer], outside: early })).finding, undefined);
    await onCopy(async (queries) => {
      await forge(queries, 120, signer);
      const { finding } = await lab.verify({ keys: [signer], outside: early }, queries);
      assert.deepEqual([finding?.seq, finding?.field], [0, "root of events 0 to 499"]);
    });
  });

  test("that a key nobody named since cannot vouch for the log", async () => {
    // The old key is not the current one's successor.
    const { finding } = await lab.verify({ keys: [oldSigner], from: 1_000 });
    assert.match(finding?.field ?? "", /^signature of checkpoint 1497$/);
    const all = await lab.verify({ keys: [oldSigner] });
    assert.deepEqual([all.finding?.seq, all.finding?.field], [PURGED.from, "content"]);
  });
});

interface ExportAttack {
  readonly what: string;
  readonly seq: number;
  readonly field: RegExp;
  readonly attack: (folder: string) => unknown;
}

const log = "log-000000.jsonl";

function lines(dir: string, change: (all: string[]) => unknown): void {
  const all = readFileSync(join(dir, log), "utf8").split("\n");
  change(all);
  writeFileSync(join(dir, log), all.join("\n"));
}

function line(dir: string, at: number, change: (text: string) => string): void {
  lines(dir, (all) => {
    const before = all[at] ?? "";
    all[at] = change(before);
    assert.notEqual(all[at], before);
  });
}

function manifest(dir: string, change: (text: string) => string): void {
  const file = join(dir, "manifest.json");
  const before = readFileSync(file, "utf8");
  assert.notEqual(change(before), before);
  writeFileSync(file, change(before));
}

const EXPORT_ATTACKS: readonly ExportAttack[] = [
  {
    what: "a message is changed",
    seq: 700,
    field: /^text$/,
    attack: (dir) => line(dir, 700, (text) => text.replace("message", "massage")),
  },
  {
    what: "a leaf is changed",
    seq: 700,
    field: /.+/,
    attack: (dir) =>
      line(dir, 700, (text) =>
        text.replace('\\"kind\\":\\"CHAT\\",\\"node', '\\"kind\\":\\"CHAR\\",\\"node'),
      ),
  },
  {
    what: "who exported the archive before is somebody else",
    seq: EXPORTED,
    field: /^actor$/,
    attack: (dir) => line(dir, EXPORTED, (text) => text.replace("admin:root", "admin:eve")),
  },
  {
    what: "a file that was delivered has another hash",
    seq: DELIVERED,
    field: /^detail$/,
    attack: (dir) => line(dir, DELIVERED, (text) => text.replace("abab", "acac")),
  },
  {
    what: "a line is taken out",
    seq: 900,
    field: /^event$/,
    attack: (dir) => lines(dir, (all) => all.splice(900, 1)),
  },
  {
    what: "two lines are exchanged",
    seq: 900,
    field: /^event$/,
    attack: (dir) => lines(dir, (all) => all.splice(900, 2, all[901] ?? "", all[900] ?? "")),
  },
  {
    what: "a line is repeated",
    seq: 901,
    field: /^event$/,
    attack: (dir) => lines(dir, (all) => all.splice(900, 0, all[900] ?? "")),
  },
  { what: "a line is no JSON", seq: 900, field: /^event$/, attack: (dir) => line(dir, 900, () => "{") },
  {
    what: "the content of a line is gone",
    seq: 900,
    field: /^content$/,
    attack: (dir) => line(dir, 900, (text) => JSON.stringify({ leaf: JSON.parse(text).leaf, seq: 900 })),
  },
  {
    what: "the export is truncated",
    seq: 1_500,
    field: /^event$/,
    attack: (dir) => {
      const all = readFileSync(join(dir, log));
      truncateSync(join(dir, log), all.indexOf(`"seq":1500}`) - 3);
    },
  },
  { what: "a file is gone", seq: 0, field: /^event$/, attack: (dir) => unlinkSync(join(dir, log)) },
  {
    what: "the manifest says other sums",
    seq: 0,
    field: /^sha256 of log/,
    attack: (dir) => manifest(dir, (text) => text.replace(/"sha256": "./, '"sha256": "x')),
  },
  {
    what: "the manifest says fewer events",
    seq: 2_900,
    field: /^event$/,
    attack: (dir) => manifest(dir, (text) => text.replace('"size": 3000', '"size": 2900')),
  },
  {
    what: "a character of a leaf is another one whose low byte is the same",
    seq: 700,
    field: /^event$/,
    attack: (dir) => line(dir, 700, (text) => text.replace('\\"actor\\":1', '\\"actor\\":\u0131')),
  },
  {
    what: "the checkpoints are a forger's",
    seq: 0,
    field: /^signature of checkpoint/,
    attack: async (dir) => {
      const file = join(dir, "checkpoints.txt");
      const forged = readableCheckpoints(readFileSync(file, "utf8")).map(({ origin, size, root }) =>
        signNote(writeCheckpoint({ origin, size, root }), stranger),
      );
      writeFileSync(file, (await Promise.all(forged)).join("\n"));
      resum(dir);
    },
  },
  {
    what: "the checkpoints are rubbish",
    seq: 0,
    field: /^checkpoint/,
    attack: (dir) => writeFileSync(join(dir, "checkpoints.txt"), "rubbish"),
  },
  {
    what: "a purge is invented",
    seq: 1_234,
    field: /^content$/,
    attack: (dir) => inventPurge(dir, { ranges: [[1_234, 1_234]] }),
  },
  {
    what: "a purge is invented and signed with the stolen key",
    seq: 2_999,
    field: /^archive event$/,
    attack: async (dir) => inventPurge(dir, await signPurge([[1_234, 1_234]], signer)),
  },
];

function inventPurge(dir: string, detail: Pick<PurgeDetail, "ranges">): void {
  line(dir, 1_234, (text) => JSON.stringify({ leaf: JSON.parse(text).leaf, seq: 1_234 }));
  const file = join(dir, "archive-events.jsonl");
  writeFileSync(file, readFileSync(file, "utf8") + purgeLine(2_999, detail));
  resum(dir);
}

/** Makes the manifest's sums right again. */
function resum(
  dir: string,
  change: (value: { size: number; files: { events: number }[] }) => void = () => {},
): void {
  const file = join(dir, "manifest.json");
  const value = JSON.parse(readFileSync(file, "utf8"));
  for (const entry of value.files) {
    const bytes = readFileSync(join(dir, entry.name));
    entry.bytes = bytes.length;
    entry.sha256 = createHash("sha256").update(bytes).digest("hex");
  }
  change(value);
  writeFileSync(file, JSON.stringify(value));
}

function cutExport(dir: string): void {
  lines(dir, (all) => all.splice(2_500, all.length, ""));
  const file = join(dir, "checkpoints.txt");
  const kept = readableCheckpoints(readFileSync(file, "utf8")).filter(({ size }) => size <= 2_500);
  writeFileSync(file, kept.map((one) => writeNote(one.note)).join("\n"));
  resum(dir, (value) => {
    value.size = 2_500;
    for (const entry of value.files) if (entry.events > 0) entry.events = 2_500;
  });
}

describe("verify --offline finds in an export", { timeout: 120_000 }, () => {
  const check = async (dir: string, helped: boolean) =>
    verifyLog(await ExportSource.open(dir), { keys: [signer], outside: helped ? mailed : [] });

  test("nothing, when nothing was changed", async () => {
    for (const helped of [false, true]) {
      const found = await check(clean, helped);
      assert.equal(found.finding, undefined);
      assert.deepEqual([found.size, found.signed, found.purged], [SIZE, SIZE, 20]);
    }
    assert.deepEqual(readdirSync(clean).sort(), [
      "archive-events.jsonl",
      "checkpoints.txt",
      "log-000000.jsonl",
      "manifest.json",
    ]);
  });

  test("that it ends before a checkpoint from outside: it is older, or was cut off", async () => {
    const dir = join(folder, "cut");
    cpSync(clean, dir, { recursive: true });
    cutExport(dir);
    const alone = await check(dir, false);
    assert.deepEqual([alone.finding, alone.open], [undefined, []]);
    const helped = await check(dir, true);
    assert.equal(helped.finding, undefined);
    assert.match(
      helped.open.join(),
      /^the export ends with 2500 events, before the checkpoint of 3000 in .*mail-/,
    );
  });

  for (const [index, { what, seq, field, attack }] of EXPORT_ATTACKS.entries())
    test(`${what}: event ${seq}`, async () => {
      const dir = join(folder, `attacked-${index}`);
      cpSync(clean, dir, { recursive: true });
      await attack(dir);
      const { finding } = await check(dir, true);
      assert.ok(finding, "found");
      assert.equal(finding.seq, seq, JSON.stringify(finding));
      assert.match(finding.field, field, JSON.stringify(finding));
    });
});
