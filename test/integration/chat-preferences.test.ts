import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { attribute, child, escapeXml } from "../../plugin/client/xml-reader.ts";
import { type Lab, openLab } from "../support/lab.ts";

let lab: Lab;

before(async () => {
  lab = await openLab({ users: ["alice", "bob"] });
});
afterEach(() => lab?.clearAway());
after(() => lab?.close());

const LABEL = "kedzie.GroupChannels";

async function get(endpoint: XccosEndpoint, version: number, label = LABEL) {
  const data = `<pref label="${escapeXml(label)}" seqid="${version}" createdefault="true"/>`;
  const reply = await endpoint.command("getpref", data);
  const pref = child(reply.data, "pref");
  return {
    code: reply.code,
    version: pref && Number(attribute(pref, "seqid")),
    content: pref?.attributes.content,
  };
}

async function set(endpoint: XccosEndpoint, version: number, content: Buffer | string, label = LABEL) {
  const base64 = typeof content === "string" ? content : content.toString("base64");
  const data = `<pref label="${escapeXml(label)}" seqid="${version}" createdefault="false" content="${base64}"/>`;
  const reply = await endpoint.command("setpref", data);
  const pref = child(reply.data, "pref");
  return { code: reply.code, version: pref && Number(attribute(pref, "seqid")) };
}

test("what one computer keeps, the user's other computers get, unless they have it already", async () => {
  const [desk, laptop, bob] = await Promise.all([
    lab.signedIn("alice"),
    lab.signedIn("alice"),
    lab.signedIn("bob"),
  ]);
  assert.deepEqual(await get(desk, 0), { code: 200, version: 0, content: undefined });
  const bytes = Buffer.from([0, 1, 2, 250, 255]);
  assert.deepEqual(await set(desk, 0, bytes), { code: 200, version: 1 });
  assert.deepEqual(await get(laptop, 0), { code: 200, version: 1, content: bytes.toString("base64") });
  assert.deepEqual(await get(laptop, 1), { code: 200, version: 1, content: undefined });
  assert.deepEqual(await get(laptop, 7), { code: 200, version: 1, content: undefined });
  assert.deepEqual(await get(bob, 0), { code: 200, version: 0, content: undefined });
});

test("of two computers that change the same version one is told to look again", async () => {
  const [desk, laptop] = await Promise.all([lab.signedIn("bob"), lab.signedIn("bob")]);
  const made = await Promise.all([set(desk, 0, "YQ=="), set(laptop, 0, "Yg==")]);
  assert.deepEqual(made.map(({ code }) => code).sort(), [200, 409]);
  const changed = await Promise.all([set(desk, 1, "Yw=="), set(laptop, 1, "ZA==")]);
  assert.deepEqual(changed.map(({ code }) => code).sort(), [200, 409]);
  assert.equal((await set(desk, 9, "ZQ==")).code, 409);
  assert.equal((await get(desk, 0)).version, 2);
});

test("a bundle has 64 KiB and a user has 50 of them; what is too much changes nothing", async () => {
  const alice = await lab.signedIn("alice");
  const most = Buffer.alloc(65_536, 7);
  assert.deepEqual(await set(alice, 0, most, "large"), { code: 200, version: 1 });
  assert.equal((await get(alice, 0, "large")).content, most.toString("base64"));
  assert.equal((await set(alice, 1, Buffer.alloc(65_540, 7), "large")).code, 413);
  const [before] = await lab.sql<{ labels: number }>(
    "SELECT COUNT(*) AS labels FROM preference WHERE user_id IN (SELECT id FROM principal WHERE uri = ?)",
    [lab.address("alice")],
  );
  for (let number = before?.labels ?? 0; number < 50; number++)
    assert.equal((await set(alice, 0, "", `label ${number}`)).code, 200);
  assert.equal((await set(alice, 0, "", "one more")).code, 413);
  assert.equal((await set(alice, 1, "YQ==", "large")).code, 200);
});
