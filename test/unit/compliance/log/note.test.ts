import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  readableCheckpoints,
  readCheckpoint,
  writeCheckpoint,
} from "../../../../src/compliance/log/checkpoint.ts";
import { sha256 } from "../../../../src/compliance/log/hashes.ts";
import {
  generateSecretKey,
  readNote,
  readSecretKey,
  readVerifierKey,
  signerOf,
  signNote,
  writeVerifierKey,
} from "../../../../src/compliance/log/note.ts";

/** From the documentation of golang.org/x/mod/sumdb/note, the origin of C2SP's signed notes. */
const SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNED = `${TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;

describe("signed notes", () => {
  test("are those of the published example", async () => {
    const signer = readSecretKey(SKEY);
    assert.equal(writeVerifierKey(signer), VKEY);
    assert.equal(await signNote(TEXT, signer), SIGNED);
    const note = readNote(SIGNED);
    assert.equal(note.text, TEXT);
    assert.equal(signerOf(note, [readVerifierKey(VKEY)])?.name, "PeterNeumann");
  });

  test("of somebody else, or changed, are signed by nobody; signatures of witnesses do not matter", async () => {
    const key = readVerifierKey(VKEY);
    const other = readSecretKey(generateSecretKey("PeterNeumann"));
    assert.equal(signerOf(readNote(SIGNED.replace("you", "You")), [key]), undefined);
    assert.equal(signerOf(readNote(await signNote(TEXT, other)), [key]), undefined);
    const witness =
      (await signNote(TEXT, readSecretKey(generateSecretKey("witness.example")))).split("\n\n")[1] ?? "";
    assert.equal(signerOf(readNote(`${SIGNED}${witness}`), [key])?.id, "c74f20a3");
    const [, line = ""] = SIGNED.split("\n\n");
    const disguised = line.replace("PeterNeumann", "PeterNeumanm");
    assert.equal(signerOf(readNote(`${TEXT}\n${disguised}`), [key]), undefined);
  });

  test("that are none are refused", () => {
    for (const text of [
      "",
      "\n",
      TEXT,
      SIGNED.slice(0, -1),
      SIGNED.slice(0, -9),
      `${TEXT}\n- x y\n`,
      SIGNED.replace("\n", "\0"),
      SIGNED.replace("— ", "—"),
    ])
      assert.throws(() => readNote(text), { name: "MalformedNote" }, JSON.stringify(text.slice(-20)));
  });

  test("keys that are none are refused without showing them", () => {
    for (const text of [
      "",
      "x",
      SKEY.slice(0, -4),
      SKEY.replace("c74f20a3", "c74f20a4"),
      SKEY.replace("AYEK", "AYEL"),
      VKEY,
    ])
      assert.throws(
        () => readSecretKey(text),
        (error: Error) => error.name === "MalformedNote" && !error.message.includes("YEK"),
      );
    for (const text of ["", SKEY, VKEY.slice(0, -4), VKEY.replace("c74f20a3", "c74f20a4")])
      assert.throws(() => readVerifierKey(text), { name: "MalformedNote" });
    for (const name of ["", "with blank", "plus+", "new\nline"])
      assert.throws(() => generateSecretKey(name), { name: "MalformedNote" });
  });

  test("by a signer that answers anything else are not made", async () => {
    const signer = { ...readSecretKey(SKEY), sign: async () => Buffer.alloc(64) };
    await assert.rejects(signNote(TEXT, signer), { name: "MalformedNote" });
  });
});

describe("checkpoints", () => {
  const root = sha256("root");

  test("are read as they were written, alone or one after the other", async () => {
    const signer = readSecretKey(SKEY);
    const texts = await Promise.all(
      [0, 1, 9_000_000_000].map((size) =>
        signNote(writeCheckpoint({ origin: signer.name, size, root }), signer),
      ),
    );
    const { origin, size, root: read } = readCheckpoint(texts[2] ?? "");
    assert.deepEqual([origin, size, read], ["PeterNeumann", 9_000_000_000, root]);
    for (const between of ["", "\n", "\n\n"])
      assert.deepEqual(
        readableCheckpoints(texts.join(between)).map((one) => one.size),
        [0, 1, 9_000_000_000],
      );
    assert.deepEqual(
      readableCheckpoints(texts.join("").slice(0, -70)).map((one) => one.size),
      [0, 1],
    );
  });

  test("that are none are refused", async () => {
    const signer = readSecretKey(SKEY);
    for (const text of [
      "\n5\n",
      "x\n-1\nAAAA\n",
      "x\n05\nAAAA\n",
      `x\n5\n${root.toString("hex")}\n`,
      `x\n99999999999999999999\n${root.toString("base64")}\n`,
    ])
      await assert.rejects(async () => readCheckpoint(await signNote(text, signer)), {
        name: "MalformedNote",
      });
    for (const file of ["", "hello", "\n\n\n"]) assert.deepEqual(readableCheckpoints(file), []);
  });
});
