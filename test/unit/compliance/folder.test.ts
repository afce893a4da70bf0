import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { readManifest } from "../../../src/compliance/delivery.ts";
import { withExtras } from "../../../src/compliance/extras.ts";
import { RunFolders } from "../../../src/compliance/folder.ts";
import { type FileToWrite, type HeldLease, LeaseLost } from "../../../src/compliance/ports.ts";

const RUN = "run-1";
const ours: HeldLease = { keep: async () => {}, check: async () => {} };
const lost = async () => {
  throw new LeaseLost({ adapter: "archive", holder: "old", epoch: 1 });
};

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "parlance-folder-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A run of two parts, each transformed by a command that never says the same twice. */
async function attempt(saying: string): Promise<FileToWrite[]> {
  const files = ["part-0001.xml", "part-0002.xml"].map((name) => ({ name, bytes: Buffer.from(name) }));
  const listed = files.map(({ name, bytes }) => ({ path: name, bytes: bytes.length, sha256: sha256(bytes) }));
  const manifest = { name: "manifest.json", bytes: Buffer.from(JSON.stringify({ files: listed })) };
  const run = async (part: Buffer) => Buffer.from(`${part} ${saying}`);
  const details = { rooms: async () => [], users: async () => [] };
  const extras = { roomDetails: false, userDetails: false, details, transform: { words: [], run } };
  return withExtras([...files, manifest], [], extras, ours);
}

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const there = () => readdirSync(join(root, RUN)).sort();
const read = (name: string) => readFileSync(join(root, RUN, name));

/** What is recorded as delivered is what lies there, and nothing else does. */
function assertIsAll(manifest: Buffer | undefined): void {
  assert.ok(manifest);
  assert.deepEqual(read("manifest.json"), manifest);
  const { files } = readManifest(manifest);
  for (const { path, sha256: hash } of files) assert.equal(sha256(read(path)), hash, path);
  assert.deepEqual(there(), ["manifest.json", ...files.map(({ path }) => path)].sort());
}

test("of two that write one run the first manifest stands, with every file it names, and both are told of that one", async () => {
  const folders = new RunFolders(root);
  let theirs: Buffer | undefined;
  const slept = async () => {
    theirs = await folders.write(RUN, await attempt("successor"), ours);
  };
  const mine = await folders.write(RUN, await attempt("slept"), { ...ours, check: slept });
  assert.deepEqual(mine, theirs);
  assertIsAll(theirs);
  assert.deepEqual(await folders.delivered(RUN), theirs);
});

test("whoever finds that he has a successor leaves nothing of his, before the successor's manifest or behind it", async () => {
  const folders = new RunFolders(root);
  await assert.rejects(folders.write(RUN, await attempt("old"), { ...ours, check: lost }), LeaseLost);
  assert.equal(there().includes("manifest.json"), false);
  const manifest = await folders.write(RUN, await attempt("successor"), ours);
  assertIsAll(manifest);
  await assert.rejects(folders.write(RUN, await attempt("older"), { ...ours, check: lost }), LeaseLost);
  assertIsAll(manifest);
});

test("the lease is kept before each file, and nothing is written once it is lost", async () => {
  const folders = new RunFolders(root);
  let files = 0;
  const keep = async () => {
    if (++files === 3) await lost();
  };
  await assert.rejects(folders.write(RUN, await attempt("one"), { ...ours, keep }), LeaseLost);
  assert.deepEqual(there(), ["part-0001.xml", "part-0002.xml"]);
});

test("what a process left that was killed right behind its manifest is cleared away, and what the receiver put there stays", async () => {
  const folders = new RunFolders(root);
  const manifest = await folders.write(RUN, await attempt("one"), ours);
  const [stray] = (await attempt("two")).filter(({ name }) => name.startsWith("transformed-"));
  assert.ok(stray);
  writeFileSync(join(root, RUN, stray.name), stray.bytes);
  writeFileSync(join(root, RUN, "part-0001.xml.0123456789ab.tmp"), "half");
  assert.deepEqual(await folders.delivered(RUN), manifest);
  assertIsAll(manifest);
  writeFileSync(join(root, RUN, "fetched"), "by the receiver");
  rmSync(join(root, RUN, "part-0001.xml"));
  assert.deepEqual(await folders.delivered(RUN), manifest, "fetched is delivered");
  assert.deepEqual(there().includes("fetched"), true);
});

test("a file that is there with other bytes is no delivery: the run is written again, its manifest too where that named it", async () => {
  const folders = new RunFolders(root);
  const first = await folders.write(RUN, await attempt("one"), ours);
  writeFileSync(join(root, RUN, "part-0001.xml"), "broken");
  assert.equal(await folders.delivered(RUN), undefined);
  assert.deepEqual(await folders.write(RUN, await attempt("two"), ours), first, "the part is right again");
  assertIsAll(first);
  const [transformed] = there().filter((name) => name.startsWith("transformed-"));
  writeFileSync(join(root, RUN, transformed ?? ""), "broken");
  const second = await folders.write(RUN, await attempt("two"), ours);
  assert.notDeepEqual(second, first);
  assertIsAll(second);
});
