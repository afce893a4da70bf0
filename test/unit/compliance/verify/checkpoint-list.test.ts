import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { writeCheckpoint } from "../../../../src/compliance/log/checkpoint.ts";
import { sha256 } from "../../../../src/compliance/log/hashes.ts";
import { generateSecretKey, readSecretKey, signNote } from "../../../../src/compliance/log/note.ts";
import { CheckpointList } from "../../../../src/compliance/verify/checkpoint-list.ts";

const folder = mkdtempSync(join(tmpdir(), "parlance-checkpoints-"));
after(() => rmSync(folder, { recursive: true }));
const signer = readSecretKey(generateSecretKey("example.com/pchat"));
const witness = readSecretKey(generateSecretKey("example.net/zürich"));

async function noteOf(size: number, by = signer): Promise<string> {
  return signNote(writeCheckpoint({ origin: by.name, size, root: sha256(`root ${size}`) }), by);
}

function read(text: string | Buffer): Promise<CheckpointList> {
  const file = join(folder, "checkpoints.txt");
  writeFileSync(file, text);
  return CheckpointList.read(file);
}

describe("a file of checkpoints", () => {
  test("is read in the order of sizes, each with its root and its note, whatever stands between them", async () => {
    const notes = await Promise.all([7, 5, 9, 5].map((size) => noteOf(size)));
    for (const between of ["", "\n", "\n\n", "> said the mail\r\n"]) {
      const list = await read(notes.join(between));
      const all = [...list.from(0)];
      assert.deepEqual(
        all.map(({ size }) => size),
        [5, 5, 7, 9],
      );
      assert.equal(list.hasOther, between.includes("mail"));
      for (const { size, root, note } of all) {
        assert.deepEqual(root, sha256(`root ${size}`));
        assert.equal(note(), await noteOf(size));
      }
      assert.deepEqual(
        [list.upTo(7, 2), list.upTo(4, 9), list.upTo(99, 1), [...list.from(8)], [...list.from(10)]].map(
          (some) => some.map(({ size }) => size),
        ),
        [[5, 7], [], [9], [9], []],
      );
    }
  });

  test("may have come by mail, and carry signatures of others", async () => {
    const [line = ""] = (await noteOf(5, witness)).split("\n").slice(-2);
    const note = `${await noteOf(5)}${line}\n`;
    const list = await read(note.replaceAll("\n", "\r\n"));
    assert.deepEqual(
      [...list.from(0)].map((one) => one.note()),
      [note],
    );
    assert.deepEqual([...list.origins], [signer.name]);
    assert.deepEqual([...(await read(await noteOf(3, witness))).origins], [witness.name]);
  });

  test("loses nothing but what a crash has cut off", async () => {
    const note = await noteOf(5);
    const next = await noteOf(6);
    for (let length = 1; length < note.length - 1; length++) {
      const list = await read(`${note.slice(0, length)}\n${next}`);
      assert.equal(list.upTo(99, 1)[0]?.size, 6, `cut after ${length}`);
    }
    for (const nothing of ["", "rubbish", "\n\n\n", note.slice(0, -1), "x\n5\nAAAA\n\n— x AAAA\n"])
      assert.equal((await read(nothing)).length, 0);
  });

  test("may be larger than what is read at once", async () => {
    const note = await noteOf(1_000_000);
    const rubbish = "x".repeat(3_000_000);
    const count = 12_000;
    const file = Array.from({ length: count }, (_, at) => note.replace("1000000", String(1_000_000 + at)));
    const list = await read(`${rubbish}\n${file.join("\n")}${rubbish}\n${await noteOf(5)}`);
    const all = [...list.from(0)];
    assert.equal(all.length, count + 1);
    assert.equal(all[0]?.note(), await noteOf(5));
    for (const at of [0, 1, 5_000, count - 1]) assert.equal(all[at + 1]?.note(), file[at]);
  });
});
