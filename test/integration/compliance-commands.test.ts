import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createConnection } from "mysql2/promise";
import { parse, stringify } from "yaml";
import { startStack } from "../../plugin/stack/stack.ts";
import type { Stack } from "../../plugin/stack/stack-options.ts";
import { readableCheckpoints, writeCheckpoint } from "../../src/compliance/log/checkpoint.ts";
import {
  generateSecretKey,
  makeVerifierKey,
  readSecretKey,
  signNote,
  writeVerifierKey,
} from "../../src/compliance/log/note.ts";
import { Database } from "../../src/store/mysql/database.ts";
import { newSigner } from "../support/archive-lab.ts";
import { type CliAnswer, parlance } from "../support/cli.ts";
import { eventMaker, insertOutbox } from "../support/compliance-events.ts";
import { countRows } from "../support/compliance-lab.ts";
import { until } from "../support/until.ts";

let stack: Stack;
let database: Database;
let config = "";
let folder = "";
let verifier = "";
const make = eventMaker("");
const WAIT_MS = 20_000;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "parlance-compliance-"));
  stack = await startStack({ parts: ["mariadb", "redis", "worker"], fromSources: false });
  config = stack.configFiles.n1 ?? "";
  change((settings) => {
    settings.archive = { "checkpoint-interval": "1s" };
  });
  await stack.restart("worker");
  database = new Database({ url: stack.mysqlUrl, connections: 4 });
  verifier = join(folder, "verifier");
  const built = spawnSync("go", ["build", "-o", verifier, "main.go"], {
    cwd: join(import.meta.dirname, "../support/log-verifier"),
    env: {
      ...process.env,
      GO111MODULE: "off",
      GOPATH: "/usr/share/gocode",
      GOFLAGS: "",
      GOCACHE: join(folder, "gocache"),
      HOME: folder,
    },
    encoding: "utf8",
  });
  assert.equal(built.status, 0, built.stderr);
});
after(async () => {
  await database?.close();
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Changes section `compliance` of the configuration. */
function change(how: (compliance: Record<string, unknown>) => void, file = config): string {
  const settings = parse(readFileSync(config, "utf8"));
  how(settings.compliance);
  writeFileSync(file, stringify(settings), { mode: 0o600 });
  return file;
}

async function record(count: number): Promise<void> {
  const before = await countRows(database, "archive_leaf");
  await insertOutbox(
    database,
    Array.from({ length: count }, (_, index) => make({ roomId: 1 + (index % 3), atMs: Date.now() - 20_000 })),
  );
  await until("sealed", async () => (await countRows(database, "archive_leaf")) >= before + count, WAIT_MS);
  await signed();
}

/** Until a checkpoint covers all of it and is in its file. */
async function signed(): Promise<void> {
  const file = join(stack.stateDir, "compliance", "checkpoints.txt");
  await until(
    "signed",
    async () => {
      const size = await countRows(database, "archive_leaf");
      return existsSync(file) && readableCheckpoints(readFileSync(file, "utf8")).at(-1)?.size === size;
    },
    WAIT_MS,
  );
}

async function json<T>(...words: string[]): Promise<T> {
  const { code, out, err } = await parlance(config, ...words, "--json");
  assert.equal(code, 0, err || out);
  return JSON.parse(out) as T; // the test knows the command
}

/** The program that is not ours. */
function independent(input: object): Promise<CliAnswer> {
  return new Promise((resolve) => {
    const child = execFile(verifier, (error, out, err) => {
      resolve({ code: error === null ? 0 : typeof error.code === "number" ? error.code : -1, out, err });
    });
    child.stdin?.end(JSON.stringify(input));
  });
}

interface Proof {
  readonly seq: number;
  readonly eventId: string;
  readonly leaf: string;
  readonly size: number;
  readonly path: readonly string[];
  readonly checkpoint: string;
}

interface Growth {
  readonly first: number;
  readonly second: number;
  readonly path: readonly string[];
  readonly firstCheckpoint: string;
  readonly secondCheckpoint: string;
}

async function publicKey(): Promise<string> {
  const [row] = await json<{ publicKey: string }[]>("compliance", "key", "show");
  return row?.publicKey ?? "";
}

describe("the archive at the command line", { timeout: 540_000 }, () => {
  test("the worker seals what is recorded; status and verify tell of it", async () => {
    await record(300);
    const { archive } = await json<{ archive: { what: string; value: unknown }[] }>("compliance", "status");
    const status = Object.fromEntries(archive.map(({ what, value }) => [what, value]));
    assert.equal(status["events sealed"], 300);
    assert.equal(status["events signed"], 300);
    assert.equal(status["database refuses changes"], true);
    assert.notEqual(status["sealed by"], "nobody now");
    const { code, out } = await parlance(config, "compliance", "verify");
    assert.equal(code, 0, out);
    assert.match(out, /nothing was changed, nothing is missing\n {2}events {7}300\n/);
    await record(50);
    const found = await json<{ verdict: string; from: number; size: number }>(
      "compliance",
      "verify",
      "--from",
      "last",
    );
    assert.deepEqual([found.verdict, found.from, found.size], ["ok", 300, 350]);
  });

  test("a verifier that is not ours accepts its proofs, and nothing else", async () => {
    const key = await publicKey();
    const sizes = readableCheckpoints(
      readFileSync(join(stack.stateDir, "compliance", "checkpoints.txt"), "utf8"),
    ).map(({ size }) => size);
    const growth = await json<Growth>("compliance", "prove-growth", String(sizes[0]));
    for (const seq of [0, 1, 255, 256, 299, 349]) {
      const proof = await json<Proof>("compliance", "prove", String(seq));
      assert.equal((await independent({ key, record: proof, growth })).out, "accepted\n", `event ${seq}`);
      const byId = await json<Proof>("compliance", "prove", proof.eventId, "--size", String(proof.size));
      assert.deepEqual(byId, proof);
      const text = proof.leaf.replace('"v":1', '"v":2');
      for (const record of [
        { ...proof, leaf: text },
        { ...proof, seq: seq + 1 },
        { ...proof, path: proof.path.slice(1) },
        { ...proof, checkpoint: proof.checkpoint.replace("\n350\n", "\n351\n") },
      ])
        assert.equal((await independent({ key, record })).code, 1);
    }
    const [hash = "", ...rest] = growth.path;
    for (const wrong of [
      { ...growth, path: rest },
      { ...growth, path: [...rest, hash] },
      { ...growth, firstCheckpoint: growth.secondCheckpoint },
    ])
      assert.equal((await independent({ key, growth: wrong })).code, 1);
    const other = writeVerifierKey(newSigner(key.split("+")[0]));
    assert.equal((await independent({ key: other, growth })).code, 1);
    assert.equal((await independent({ key, growth })).out, "accepted\n");
  });

  test("an export is checked without server and configuration", async () => {
    const dir = join(folder, "export");
    const key = await publicKey();
    const [written] = await json<{ events: number; recorded: string }[]>(
      ...["compliance", "export", dir, "--reason", "audit, ticket 4711"],
    );
    assert.equal(written?.events, 350);
    assert.equal(statSync(dir).mode & 0o077, 0, "what people wrote is nobody else's");
    const away = join(folder, "no-such.yaml");
    const checked = await parlance(away, "compliance", "verify", "--offline", dir, "--key", key, "--json");
    assert.equal(checked.code, 0, checked.out);
    assert.equal(JSON.parse(checked.out).size, 350);
    const again = await parlance(config, "compliance", "export", dir);
    assert.deepEqual([again.code, again.err.includes("is not empty")], [64, true]);
    await until("it is on record", async () => (await countRows(database, "archive_leaf")) === 351, WAIT_MS);
    await signed();
    const [record] = await database.rows<{ event_id: Buffer; body: Buffer }>(
      "SELECT l.event_id, c.body FROM archive_leaf l JOIN archive_content c ON c.seq = l.seq WHERE l.seq = 350",
    );
    assert.equal(record?.event_id.toString("hex"), written?.recorded);
    const { kind, stream, actor, node, detail } = JSON.parse(record?.body.toString("utf8") ?? "");
    const { root, ...about } = detail;
    assert.deepEqual(
      { kind, stream, actor: actor.uri, node, about },
      {
        ...{ kind: "COMPL_EXPORT", stream: "archive", actor: `administrator:${userInfo().username}` },
        node: hostname().replace(/[^\w.-]/g, ""),
        about: { events: 350, folder: dir, from: 0, to: 349, reason: "audit, ticket 4711" },
      },
    );
    assert.ok(readFileSync(join(dir, "checkpoints.txt"), "utf8").includes(`\n350\n${root}\n`));
    const log = join(dir, "log-000000.jsonl");
    writeFileSync(log, readFileSync(log, "utf8").replace("message 7", "massage 7"));
    const changed = await parlance(away, "compliance", "verify", "--offline", dir, "--key", key);
    assert.equal(changed.code, 1);
    assert.match(changed.out, /CHANGED: event \d+ is the first/);
    writeFileSync(log, readFileSync(log, "utf8").slice(0, 9_999));
    assert.equal((await parlance(away, "compliance", "verify", "--offline", dir, "--key", key)).code, 1);
    rmSync(join(dir, "manifest.json"));
    const none = await parlance(away, "compliance", "verify", "--offline", dir, "--key", key);
    assert.equal(none.code, 3);
    assert.match(none.out, /could not be checked\n.*manifest\.json does not exist/);
  });

  test("an export that cannot be recorded is not made: not by an account that may only read, not with the archive switched off", async () => {
    const [server] = await database.rows<{ socket: string }>("SELECT @@socket AS socket");
    const init = readFileSync(join(stack.stateDir, "secret", "mariadb-init.sql"), "utf8");
    const password = /'root'@'localhost' IDENTIFIED BY '([^']+)'/.exec(init)?.[1];
    const root = await createConnection({
      ...{ socketPath: server?.socket ?? "", user: "root", password: password ?? "" },
    });
    await root.query("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'reads'");
    await root.query("GRANT SELECT ON parlance.* TO reader@'127.0.0.1'");
    await root.end();
    const url = new URL(stack.mysqlUrl);
    [url.username, url.password] = ["reader", "reads"];
    writeFileSync(join(stack.stateDir, "secret", "reader.url"), `${url}\n`, { mode: 0o600 });
    const reading = change(() => {}, join(stack.stateDir, "reader.yaml"));
    const settings = parse(readFileSync(reading, "utf8"));
    settings.mysql["url-file"] = "./secret/reader.url";
    writeFileSync(reading, stringify(settings));
    const off = change(
      (compliance) => {
        compliance.archive = { enabled: false };
      },
      join(stack.stateDir, "off.yaml"),
    );
    const dir = join(folder, "unrecorded");
    for (const [file, why] of [
      [reading, /could not be written \(database: ER_TABLEACCESS_DENIED_ERROR.*needs UPDATE on counter/],
      [off, /compliance\.archive\.enabled is off/],
    ] as const) {
      const refused = await parlance(file, "compliance", "export", dir);
      assert.deepEqual([refused.code, refused.out, readdirSync(dir)], [1, "", []]);
      assert.match(
        refused.err,
        /^parlance: nothing was exported: an export is recorded in the archive before it begins, and /,
      );
      assert.match(refused.err, why);
    }
    assert.equal((await parlance(reading, "compliance", "status")).code, 0, "it may read");
    const long = await parlance(config, "compliance", "export", dir, "--reason", "x".repeat(1_001));
    assert.deepEqual([long.code, readdirSync(dir)], [64, []]);
    assert.equal(await countRows(database, "archive_leaf"), 351);
  });

  test("another key signs from now on, and both vouch for the log", async () => {
    const before = await publicKey();
    const rehearsed = await json<{ oldKey: string }[]>("compliance", "key", "rotate", "--dry-run");
    assert.equal(rehearsed[0]?.oldKey, before);
    assert.equal(await publicKey(), before);
    // As if it had been ended early: the log may know the key already.
    const keyFile = join(stack.stateDir, "secret", "archive.key");
    const begun = generateSecretKey(before.split("+")[0] ?? "");
    writeFileSync(`${keyFile}.new`, begun, { mode: 0o600 });
    const [rotated] = await json<{ oldKey: string; newKey: string; oldKeyIn: string }[]>(
      "compliance",
      "key",
      "rotate",
    );
    assert.equal(rotated?.oldKey, before);
    assert.equal(rotated?.newKey, writeVerifierKey(readSecretKey(begun)));
    assert.equal(await publicKey(), rotated?.newKey);
    assert.equal(existsSync(`${keyFile}.new`), false);
    // It has waited for the new key's first word.
    const vouched = await parlance(config, "compliance", "verify");
    assert.equal(vouched.code, 0, vouched.out);
    assert.equal(statSync(rotated?.oldKeyIn ?? "").mode & 0o777, 0o600);
    await record(30);
    const found = await json<{ verdict: string; size: number; signed: number }>("compliance", "verify");
    assert.deepEqual([found.verdict, found.size, found.signed], ["ok", 382, 382]);
    const proof = await json<Proof>("compliance", "prove", "380");
    assert.equal((await independent({ key: rotated?.newKey, record: proof })).out, "accepted\n");
    const old = await parlance(config, "compliance", "verify", "--key", before);
    assert.equal(old.code, 1, "the old key's owner cannot vouch for what came later");
    await signed();
  });

  test("a command has the key: openssl signs, and its silence delays nothing but checkpoints", async () => {
    const pem = join(folder, "key.pem");
    const script = join(folder, "sign.sh");
    spawnSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", pem]);
    const der = spawnSync("openssl", ["pkey", "-in", pem, "-pubout", "-outform", "DER"]).stdout;
    const [name = ""] = (await publicKey()).split("+");
    const key = writeVerifierKey(makeVerifierKey(name, der.subarray(-32)));
    writeFileSync(
      script,
      `#!/bin/sh\nset -e\n[ ! -e "${folder}/token-is-away" ] || { echo "no token" >&2; exit 3; }\nt=$(mktemp)\ntrap 'rm -f "$t"' EXIT\ncat >"$t"\nopenssl pkeyutl -sign -rawin -inkey "${pem}" -in "$t" | base64 -w0\n`,
      { mode: 0o700 },
    );
    const [carrier, carried] = [join(folder, "carry"), join(folder, "carried.txt")];
    writeFileSync(carrier, '#!/bin/sh\ncat >> "$1"\n', { mode: 0o700 });
    writeFileSync(carried, "");
    const oldKeyFile = join(stack.stateDir, "secret", "archive.key");
    change((compliance) => {
      compliance.archive = {
        ...{ "checkpoint-interval": "1s", "sign-command": [script], "public-key": key },
        "checkpoint-command": [carrier, carried],
      };
    });
    assert.equal(await publicKey(), key);
    const rotated = await parlance(config, "compliance", "key", "rotate", "--from-key", oldKeyFile);
    assert.equal(rotated.code, 0, rotated.err);
    await stack.restart("worker");
    await record(20);
    assert.equal((await json<{ verdict: string }>("compliance", "verify")).verdict, "ok");
    const proof = await json<Proof>("compliance", "prove", "390");
    assert.equal((await independent({ key, record: proof })).out, "accepted\n");
    await until("the copy is where the command takes it", async () =>
      readFileSync(carried, "utf8").includes(proof.checkpoint),
    );
    const withCopy = await json<{ verdict: string }>("compliance", "verify", "--checkpoint", carried);
    assert.equal(withCopy.verdict, "ok");
    writeFileSync(join(folder, "token-is-away"), "");
    const size = await countRows(database, "archive_leaf");
    await insertOutbox(database, [make({ atMs: Date.now() - 20_000 })]);
    await until("sealed", async () => (await countRows(database, "archive_leaf")) === size + 1, WAIT_MS);
    const unsigned = await parlance(config, "compliance", "verify");
    assert.equal(unsigned.code, 0);
    assert.match(unsigned.out, /the last 1 events are not covered by a checkpoint yet/);
    rmSync(join(folder, "token-is-away"));
    await signed();
    const refused = await parlance(config, "compliance", "key", "create");
    assert.equal(refused.code, 64);
  });

  test("a checkpoint of another log, a file that is none, and no database at all: it cannot be checked", async () => {
    const other = newSigner("example.org/other");
    const foreign = join(folder, "foreign.txt");
    writeFileSync(
      foreign,
      await signNote(writeCheckpoint({ origin: other.name, size: 5, root: Buffer.alloc(32) }), other),
    );
    const wrong = await parlance(config, "compliance", "verify", "--checkpoint", foreign);
    assert.equal(wrong.code, 3);
    assert.match(wrong.out, /foreign\.txt is of another log: of "example\.org\/other"/);
    const rubbish = join(folder, "rubbish.txt");
    writeFileSync(rubbish, "all is well\n");
    assert.equal((await parlance(config, "compliance", "verify", "--checkpoint", rubbish)).code, 3);
    assert.equal(
      (await parlance(config, "compliance", "verify", "--checkpoint", join(folder, "none"))).code,
      3,
    );
    assert.equal((await parlance(config, "compliance", "verify", "--key", "x")).code, 64);
    assert.equal((await parlance(config, "compliance", "verify", "--from", "yesterday")).code, 64);
    const mine = join(stack.stateDir, "compliance", "checkpoints.txt");
    assert.equal((await parlance(config, "compliance", "verify", "--checkpoint", mine)).code, 0);
    const dir = join(folder, "older");
    // The export is itself an event, and soon there is a checkpoint of it.
    const before = join(folder, "before-export.txt");
    copyFileSync(mine, before);
    await json("compliance", "export", dir);
    const offline = ["compliance", "verify", "--offline", dir, "--checkpoint"];
    assert.equal((await parlance(config, ...offline, before)).code, 0);
    await record(1);
    const older = await parlance(config, ...offline, mine);
    assert.equal(older.code, 2, older.out);
    assert.match(older.out, /the export ends with \d+ events, before the checkpoint of \d+ in /);
    // What a crash leaves behind spoils nothing.
    appendFileSync(mine, "\nexample.com/pchat\n12");
    await record(3);
    assert.equal((await parlance(config, "compliance", "verify")).code, 0);
    const stopped = change(() => {}, join(folder, "stopped.yaml"));
    const settings = parse(readFileSync(stopped, "utf8"));
    for (const [section, key] of [
      ["link", "key-file"],
      ["redis", "url-file"],
    ] as const)
      settings[section][key] = join(stack.stateDir, settings[section][key]);
    writeFileSync(join(folder, "mysql.url"), "mysql://parlance:x@127.0.0.1:9/parlance\n", { mode: 0o600 });
    settings.mysql["url-file"] = "./mysql.url";
    writeFileSync(stopped, stringify(settings));
    const away = await parlance(stopped, "compliance", "verify", "--json");
    assert.deepEqual([away.code, JSON.parse(away.out).verdict], [3, "unchecked"]);
  });

  test("a gap is told, with exit code 2, and gone when the missing event comes", async () => {
    const [one, two] = [make({ roomId: 77 }), make({ roomId: 77 })];
    await insertOutbox(database, [two]);
    await until("it waits", async () => (await countRows(database, "archive_intake")) === 1, WAIT_MS);
    await database.change("UPDATE archive_intake SET arrived_ms = arrived_ms - 61000");
    const missing = await parlance(config, "compliance", "verify");
    assert.equal(missing.code, 2, missing.out);
    assert.match(missing.out, /event 1 of room:77 is missing; 1 behind it wait for it/);
    const { gaps } = await json<{ gaps: { stream: string; missing: number }[] }>("compliance", "status");
    assert.deepEqual(
      gaps.map(({ stream, missing: number }) => [stream, number]),
      [["room:77", 1]],
    );
    await insertOutbox(database, [one]);
    await until("both sealed", async () => (await countRows(database, "archive_intake")) === 0, WAIT_MS);
    await signed();
    assert.equal((await parlance(config, "compliance", "verify")).code, 0);
  });

  test("a changed event is named, with exit code 1, and what was found is kept", async () => {
    await database.change(
      "UPDATE archive_content SET body = REPLACE(body, 'message', 'massage') WHERE seq = 123",
    );
    const found = await parlance(config, "compliance", "verify", "--json");
    assert.equal(found.code, 1);
    const { finding } = JSON.parse(found.out);
    assert.deepEqual([finding.seq, finding.field], [123, "text"]);
    const { archive } = await json<{ archive: { what: string; value: unknown }[] }>("compliance", "status");
    assert.match(String(archive.find(({ what }) => what === "last check")?.value), /^tampered, 20/);
    // A check of what lies behind it refutes nothing, and the nightly one goes back to where something was found.
    const behind = await parlance(config, "compliance", "verify", "--from", "381");
    assert.equal(behind.code, 0, behind.out);
    assert.match(behind.out, /note: event 123 was found CHANGED \(text\) on 20/);
    const stands = /"found changed, not found right since",\s+"value": "event 123, 20/;
    const status = async () => (await parlance(config, "compliance", "status", "--json")).out;
    assert.match(await status(), stands);
    assert.equal((await parlance(config, "compliance", "verify", "--from", "last")).code, 1);
    await database.change(
      "UPDATE archive_content SET body = REPLACE(body, 'massage', 'message') WHERE seq = 123",
    );
    assert.match(await status(), stands);
    assert.equal((await parlance(config, "compliance", "verify", "--from", "last")).code, 0);
    assert.doesNotMatch(await status(), stands);
  });

  test("a check with somebody's key is his own: it is neither kept nor an alert", async () => {
    const checks = () => countRows(database, "archive_verification");
    const before = await checks();
    const strange = writeVerifierKey(newSigner());
    const { code } = await parlance(config, "compliance", "verify", "--key", strange);
    assert.deepEqual([code, await checks()], [1, before]);
  });

  test("a loss that the last comparison found is no completeness: exit code 2, and when it was compared", async () => {
    await database.change(
      "INSERT INTO compliance_difference (what, stream, first, last, since_ms) VALUES ('missing', 'room:5', 8, 9, 1), " +
        "('unrecorded', 'room:6', 3, 3, 1), ('altered', 'room:7', 1, 1, 1)",
    );
    const { code, out } = await parlance(config, "compliance", "verify");
    assert.equal(code, 2, out);
    assert.match(out, /^ {2}room:5: recorded, and not in the archive: event 8 to 9, as of 20\d\d-/m);
    assert.match(out, /^ {2}room:6: said in the room, and not recorded: message 3, as of 20\d\d-/m);
    assert.doesNotMatch(out, /room:7/, "a change is no loss");
    await database.change("DELETE FROM compliance_difference");
    assert.equal((await parlance(config, "compliance", "verify")).code, 0);
  });

  test("a key is made once, with mode 0600; one that others can read, or that is none, is refused in one sentence", async () => {
    const file = join(folder, "secret", "archive.key");
    const own = change(
      (compliance) => {
        compliance.archive = { "key-file": file };
      },
      join(stack.stateDir, "own.yaml"),
    );
    const missing = await parlance(own, "compliance", "key", "show");
    assert.deepEqual(
      [missing.code, missing.err],
      [
        78,
        `parlance: compliance.archive.key-file: ${file} does not exist; make a key: parlance compliance key create\n`,
      ],
    );
    const worker = await parlance(own, "worker");
    assert.deepEqual([worker.code, worker.err.includes("does not exist; make a key")], [78, true]);
    const wrongName = await parlance(own, "compliance", "key", "create", "--name", "with blank");
    assert.equal(wrongName.code, 64);
    const made = await parlance(own, "compliance", "key", "create");
    assert.equal(made.code, 0, made.err);
    assert.match(made.out, /example\.com\/pchat\+[0-9a-f]{8}\+/);
    assert.equal(made.out.includes("PRIVATE"), false);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const secret = readFileSync(file, "utf8");
    const twice = await parlance(own, "compliance", "key", "create");
    assert.deepEqual([twice.code, readFileSync(file, "utf8")], [64, secret]);
    chmodSync(file, 0o640);
    for (const words of [["compliance", "key", "show"], ["worker"], ["compliance", "verify"]]) {
      const refused = await parlance(own, ...words);
      assert.equal(refused.code, words[1] === "verify" ? 3 : 78);
      assert.ok(`${refused.err}${refused.out}`.includes(`others can read ${file}; run: chmod 600 ${file}`));
    }
    chmodSync(file, 0o600);
    writeFileSync(file, secret.replace("+example", "+exemple"));
    const changed = await parlance(own, "compliance", "key", "show");
    assert.equal(changed.code, 78);
    assert.equal(changed.err.includes(secret.slice(-20).trim()), false);
    assert.deepEqual(readdirSync(join(folder, "secret")), ["archive.key"]);
  });

  test("every command has help with an example, and refuses what it does not know", async () => {
    for (const words of [
      ["status"],
      ["verify"],
      ["prove"],
      ["prove-growth"],
      ["export"],
      ["key", "create"],
      ["key", "show"],
      ["key", "rotate"],
    ]) {
      const help = await parlance(config, "compliance", ...words, "--help");
      assert.equal(help.code, 0);
      assert.match(help.out, /e\.g\. parlance compliance/);
    }
    for (const words of [
      ["prove", "xyz"],
      ["prove", "999999"],
      ["prove", "0".repeat(32)],
      ["prove", "0", "--size", "7777"],
      ["prove-growth", "0"],
      ["prove-growth", "5"],
      ["export"],
    ]) {
      const refused = await parlance(config, "compliance", ...words);
      assert.deepEqual([refused.code, refused.err.split("\n").length], [64, 2], refused.err);
    }
  });
});
