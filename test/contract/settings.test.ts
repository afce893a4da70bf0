import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatError, type ChatErrorCode } from "../../src/chat/errors.ts";
import { SETTING_NAMES, SETTINGS } from "../../src/chat/setting.ts";
import type { Actor } from "../../src/management/actor.ts";
import { newToken } from "../../src/sip/dialog.ts";
import type { Stores } from "../../src/store/mysql/stores.ts";
import { type MysqlLab, newUser, startMysqlLab } from "../support/mysql.ts";

let lab: MysqlLab;
let one: Stores;
let other: Stores;
let told = 0;

before(async () => {
  lab = await startMysqlLab();
  one = await lab.open({ onChanged: () => (told += 1) });
  other = await lab.open();
});
after(() => lab.stop());

const refusedWith = (code: ChatErrorCode, words: RegExp) => (error: unknown) =>
  error instanceof ChatError && error.code === code && words.test(error.message);

async function recorded(): Promise<unknown[]> {
  const rows = await one.database.rows<{ body: Buffer }>(
    "SELECT body FROM compliance_outbox WHERE stream = 'administration' AND kind = 'SETTING_CHANGED' ORDER BY stream_seq",
  );
  return rows.map(({ body }) => {
    const { detail, actor } = JSON.parse(body.toString("utf8"));
    return { by: actor.uri, ...detail };
  });
}

test("a setting is a row until it is taken back; each change is recorded with what was and what is, and followed", async () => {
  const { administration, changes } = one;
  const from = await changes.latest();
  assert.deepEqual(await administration.setSetting("MESSAGESIZELIMIT", "16kB"), {
    name: "max-message",
    before: null,
    after: 16_000,
  });
  await administration.setSetting("max-message", "9000");
  await administration.setSetting("room-management-url", "https://chat.example.com/ä?a=1&b='");
  assert.deepEqual(
    await other.changes.settings(),
    new Map([
      ["max-message", "9000"],
      ["room-management-url", "https://chat.example.com/ä?a=1&b='"],
    ]),
  );
  await administration.unsetSetting("MessageSizeLimit");
  await administration.setSetting("room-management-url", "");
  assert.deepEqual(await other.changes.settings(), new Map([["room-management-url", ""]]));
  await administration.unsetSetting("room-management-url");
  assert.deepEqual(await other.changes.settings(), new Map());
  const url = "https://chat.example.com/ä?a=1&b='";
  const by = "administrator:local";
  assert.deepEqual(await recorded(), [
    { by, subject: "max-message", before: null, after: 16_000 },
    { by, subject: "max-message", before: 16_000, after: 9_000 },
    { by, subject: "room-management-url", before: null, after: url },
    { by, subject: "max-message", before: 9_000, after: null },
    { by, subject: "room-management-url", before: url, after: "" },
    { by, subject: "room-management-url", before: "", after: null },
  ]);
  assert.deepEqual(
    (await other.changes.since(from, 100)).map(({ changed }) => changed),
    Array.from({ length: 6 }, () => ({ kind: "settings" })),
  );
});

test("what is so already, is no value, or is no setting changes nothing, is not recorded and tells nobody", async () => {
  const { administration } = one;
  await administration.setSetting("search-limit", "50");
  const before = [await recorded(), told, await other.changes.settings()];
  await administration.setSetting("SearchLimit", "50");
  await administration.unsetSetting("max-story");
  for (const [name, value, words] of [
    ["search-limit", "0", /^search-limit: "0" is not a whole number from 1 to 9999$/],
    ["DefaultChatHistory", "501", /^default-chat-history: "501" is not a whole number from 1 to 500$/],
    ["MaxFileSizeKB", "100", /^MaxFileSizeKB cannot be set: rooms carry no files yet$/],
    ["store-id", "x", /^no setting "store-id" can be changed/],
    ["enable-persistent-chat", "1", /^no setting "enable-persistent-chat" can be changed/],
  ] as const)
    await assert.rejects(administration.setSetting(name, value), refusedWith("BAD_REQUEST", words));
  await assert.rejects(administration.unsetSetting("memberships"), refusedWith("BAD_REQUEST", /^no setting/));
  assert.deepEqual([await recorded(), told, await other.changes.settings()], before);
  await administration.unsetSetting("search-limit");
});

test("only an administrator changes settings", async () => {
  const user = await newUser(one, "curious");
  const asUser = (administrator: boolean): Actor => ({
    kind: "user",
    user: { ...user, administrator },
    token: newToken(),
  });
  const before = await recorded();
  await assert.rejects(
    one.management.setSetting(asUser(false), "max-story", "1"),
    refusedWith("NOT_PERMITTED", /./),
  );
  await assert.rejects(
    one.management.unsetSetting(asUser(false), "max-story"),
    refusedWith("NOT_PERMITTED", /./),
  );
  assert.deepEqual(await recorded(), before);
  assert.equal((await one.management.setSetting(asUser(true), "max-story", "1")).after, 1);
  assert.deepEqual((await recorded()).at(-1), {
    by: user.uri,
    subject: "max-story",
    before: null,
    after: 1,
  });
  await one.management.unsetSetting(asUser(true), "max-story");
});

test("changes of one setting on two nodes at once follow one another: each says what the one before left", async () => {
  const before = (await recorded()).length;
  await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      (n % 2 === 0 ? one : other).administration.setSetting("search-limit", String(100 + n)),
    ),
  );
  const events = (await recorded()).slice(before) as { before: number | null; after: number }[];
  assert.equal(events.length, 12);
  events.forEach((event, index) => {
    assert.equal(event.before, index === 0 ? null : events[index - 1]?.after);
  });
  const last = String(events.at(-1)?.after);
  assert.equal((await one.changes.settings()).get("search-limit"), last);
  await one.administration.unsetSetting("search-limit");
});

test("every setting's longest value fits into its row", async () => {
  const longest = `https://chat.example.com/${"ä".repeat(975)}`;
  for (const name of SETTING_NAMES) {
    const value = name === "room-management-url" ? longest : String(SETTINGS[name].default);
    await one.administration.setSetting(name, value);
    assert.equal((await other.changes.settings()).get(name), value);
    await one.administration.unsetSetting(name);
  }
});
