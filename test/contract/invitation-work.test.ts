import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { finishLeft } from "../../src/store/mysql/management-afterwards.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { type MysqlLab, newUser, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let stores: Stores;
let other: Stores;

before(async () => {
  lab = await startMysqlLab();
  stores = await lab.open();
  other = await lab.open();
  const { administration } = stores;
  await administration.setGlobalPolicy(true);
  await administration.addCategory({ name: "Inviting", allowed: ["example.com"], invitations: true });
  await administration.addCategory({ name: "Silent", allowed: ["example.com"] });
});
after(() => lab.stop());

const waiting = () => stores.database.rows<{ work: string }>("SELECT work FROM invitation_work ORDER BY id");

/** `NUMBER ROOM` of each. */
async function invited(uri: string): Promise<string[]> {
  const rows = await stores.database.rows<{ number: number; name: string }>(
    "SELECT i.number, r.name FROM invitation i JOIN principal p ON p.id = i.user_id JOIN room r ON r.id = i.room_id " +
      "WHERE p.uri = ? ORDER BY i.number",
    [uri],
  );
  return rows.map(({ number, name }) => `${number} ${name}`);
}

/** As if a minute had passed: nobody is at it any more. */
const abandon = () => stores.database.change("UPDATE invitation_work SET due_ms = 0");

async function killedAfterCommit(...words: string[]): Promise<void> {
  const file = fileURLToPath(new URL("../support/inviting-child.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", file, lab.url, ...words], { stdio: "inherit" });
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGKILL");
}

test("who became a member by a process that died right behind the commit is invited by another, once", async () => {
  const { administration } = stores;
  const [alice, bob] = [await newUser(stores, "alice"), await newUser(stores, "bob")];
  await administration.addRoom({ name: "Left behind", category: "Inviting" });
  await administration.addGroup("ma-grp:crew", "Crew");
  await killedAfterCommit("member", "Left behind", alice.uri);
  await killedAfterCommit("member", "Left behind", "ma-grp:crew");
  await killedAfterCommit("group", "ma-grp:crew", bob.uri);
  await administration.addRoom({ name: "Everybody's", category: "Inviting" });
  await administration.addRole("Everybody's", "example.com", "member");
  await killedAfterCommit("user", "sip:newcomer@example.com");
  const { roles } = await administration.inspectRoom("Left behind");
  assert.deepEqual(roles.map(({ uri }) => uri).sort(), ["ma-grp:crew", alice.uri].sort());
  assert.deepEqual(await invited(alice.uri), ["1 Everybody's"]);
  assert.deepEqual(await invited(bob.uri), ["1 Everybody's"]);
  assert.deepEqual(await invited("sip:newcomer@example.com"), []);

  assert.equal(await stores.finishInvitations(), 0, "somebody may still be at it");
  await abandon();
  const done = await Promise.all([stores, other, stores, other].map((node) => node.finishInvitations()));
  assert.equal(
    done.reduce((sum, pieces) => sum + pieces, 0),
    4,
    "each piece is taken by one",
  );
  assert.deepEqual(await waiting(), []);
  for (const { uri } of [alice, bob])
    assert.deepEqual(await invited(uri), ["1 Everybody's", "2 Left behind"]);
  assert.deepEqual(await invited("sip:newcomer@example.com"), ["1 Everybody's"]);
});

test("what is no longer so when it is taken up is not done: who went again meanwhile gets no invitation", async () => {
  const carol = await newUser(stores, "carol");
  await stores.administration.addRoom({ name: "Left again", category: "Inviting" });
  await killedAfterCommit("member", "Left again", carol.uri);
  await stores.administration.removeRole("Left again", carol.uri, "member");
  await abandon();
  await other.finishInvitations();
  assert.deepEqual([await invited(carol.uri), await waiting()], [["1 Everybody's"], []]);
});

test("the database away behind a commit: the change stands and is answered as made, and its invitations come later", async () => {
  const dora = await newUser(stores, "dora");
  await stores.administration.addRoom({ name: "Cut off", category: "Inviting" });
  const failures: unknown[] = [];
  let cut = false;
  const cutting: Stores = await lab.open({
    onChanged: () => {
      cut = true;
    },
    onUnfinished: (error) => void failures.push(error),
  });
  const { change } = cutting.database;
  cutting.database.change = (sql, values) =>
    cut ? Promise.reject(new Error("the connection is gone")) : change.call(cutting.database, sql, values);
  const room = await cutting.administration.addRole("Cut off", dora.uri, "member").finally(() => {
    cutting.database.change = change;
  });
  assert.equal(room.name, "Cut off");
  assert.match(String(failures), /the connection is gone/);
  assert.deepEqual(await invited(dora.uri), ["1 Everybody's"]);
  await abandon();
  assert.equal(await other.finishInvitations(), 1);
  assert.deepEqual(await invited(dora.uri), ["1 Everybody's", "2 Cut off"]);
});

test("nothing is left behind by what is finished, by a rehearsal, by a change that fails, and by rooms that do not invite", async () => {
  const eve = await newUser(stores, "eve");
  const { administration } = stores;
  const counted = async () => {
    const [row] = await stores.database.rows<{ n: number }>(
      "SELECT AUTO_INCREMENT AS n FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'invitation_work'",
    );
    return Number(row?.n);
  };
  await administration.addRoom({ name: "Finished", category: "Inviting" });
  await administration.addRole("Finished", eve.uri, "member");
  assert.deepEqual([await invited(eve.uri), await waiting()], [["1 Everybody's", "2 Finished"], []]);
  const rehearsing = await lab.open({ rehearsal: true });
  await rehearsing.administration.removeRole("Finished", eve.uri, "member");
  await assert.rejects(
    administration.changeRoom("Finished", {
      roles: [{ role: "member", change: "remove", principals: [eve.uri] }],
      addIn: "none",
    }),
  );
  assert.deepEqual([await invited(eve.uri), await waiting()], [["1 Everybody's", "2 Finished"], []]);
  const before = await counted();
  await administration.addRoom({ name: "Silent room", category: "Silent" });
  await administration.addRole("Silent room", eve.uri, "member");
  await administration.removeRole("Silent room", eve.uri, "member");
  assert.equal(await counted(), before, "nor is anything put down for them");
});

test("what another has taken up before its own process comes to it is left to him", async () => {
  const fred = await newUser(stores, "fred");
  await stores.administration.addRoom({ name: "Slow", category: "Inviting" });
  const slow: Stores = await lab.open();
  const { change } = slow.database;
  slow.database.change = async (sql, values) => {
    if (sql.includes("UPDATE invitation_work"))
      await stores.database.change("UPDATE invitation_work SET due_ms = due_ms + 1");
    return change.call(slow.database, sql, values);
  };
  await slow.administration.addRole("Slow", fred.uri, "member");
  assert.deepEqual([await invited(fred.uri), (await waiting()).length], [["1 Everybody's"], 1]);
  await abandon();
  assert.equal(await other.finishInvitations(), 1);
  assert.deepEqual(await invited(fred.uri), ["1 Everybody's", "2 Slow"]);
});

test("a piece that takes long stays with whoever is at it as long as he says so; once another has it he stops", async () => {
  const many = Array.from({ length: 900 }, (_, at) => [`sip:many${at}@example.com`, "user", `Many ${at}`]);
  await stores.database.change("INSERT INTO principal (uri, kind, display_name) VALUES ?", [many]);
  await stores.administration.addRoom({ name: "Large", category: "Inviting" });
  await killedAfterCommit("member", "Large", "example.com");
  const sizes = async () => {
    const [row] = await stores.database.rows<{ due_ms: number; n: number }>(
      "SELECT MAX(w.due_ms) AS due_ms, (SELECT COUNT(*) FROM invitation i JOIN room r ON r.id = i.room_id WHERE r.name = 'Large') AS n " +
        "FROM invitation_work w",
    );
    return { dueMs: Number(row?.due_ms), invited: Number(row?.n) };
  };
  let behindPortion: () => Promise<unknown> = async () => {};
  const busy: Stores = await lab.open();
  const together = busy.database.transaction.bind(busy.database);
  busy.database.transaction = async (work) => {
    const result = await together(work);
    await behindPortion();
    return result;
  };
  await abandon();
  behindPortion = () => stores.database.change("UPDATE invitation_work SET due_ms = due_ms + 1");
  assert.equal(await finishLeft(busy.database, 0), 0);
  const { invited: first } = await sizes();
  assert.equal(first, 400);
  await abandon();
  const due: number[] = [];
  behindPortion = async () => due.push((await sizes()).dueMs);
  assert.equal(await finishLeft(busy.database, 0), 1);
  assert.equal((await sizes()).invited > 900, true);
  assert.deepEqual(await waiting(), []);
  assert.ok(due.length > 1 && new Set(due).size === due.length, `kept after each portion: ${due}`);
});
