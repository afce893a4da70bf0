import assert from "node:assert/strict";
import { test } from "node:test";
import {
  SETTING_NAMES,
  SETTINGS,
  settingNamed,
  settingNameProblem,
  settingProblem,
  settingsInEffect,
} from "../../../src/chat/setting.ts";

const inFile = settingsInEffect(
  new Map(),
  Object.fromEntries(SETTING_NAMES.map((name) => [name, SETTINGS[name].default])) as never, // all of them
);

test("a setting is found by our name, with or without its section, and by Lync's, in upper or lower case", () => {
  for (const name of SETTING_NAMES)
    for (const word of [name, `chat.${name}`, SETTINGS[name].lync, SETTINGS[name].lync.toUpperCase()])
      assert.equal(settingNamed(word), name, word);
  assert.equal(settingNamed("defaultchathistory"), "default-chat-history");
});

test("no two settings share a name, and every default is a value of its setting", () => {
  const words = SETTING_NAMES.flatMap((name) => [name, SETTINGS[name].lync.toLowerCase()]);
  assert.equal(new Set(words).size, words.length);
  for (const name of SETTING_NAMES)
    assert.equal(SETTINGS[name].read(String(SETTINGS[name].default)), SETTINGS[name].default, name);
});

test("the size of files is refused with the reason; a word that is no setting's with those there are", () => {
  for (const word of ["MaxFileSizeKB", "maxfilesizekb"])
    assert.equal(settingNameProblem(word), "MaxFileSizeKB cannot be set: rooms carry no files yet");
  assert.equal(
    settingNameProblem("session-expires"),
    'no setting "session-expires" can be changed at run time; these can: default-chat-history, max-message, max-story, ' +
      "search-limit, participant-update-limit, room-management-url",
  );
  assert.equal(settingNamed("toString"), undefined);
  assert.equal(settingNameProblem("SearchLimit"), undefined);
});

const URL_OF_1000 = `https://chat.example.com/${"r".repeat(1_000 - 25)}`;
const VALUES: readonly (readonly [
  name: (typeof SETTING_NAMES)[number],
  good: Record<string, string | number>,
  bad: readonly string[],
])[] = [
  [
    "default-chat-history",
    { "1": 1, "500": 500 },
    ["0", "501", "", " 5", "5.0", "-1", "1e2", "0x10", "many"],
  ],
  ["max-message", { "1": 1, "64kB": 64_000, "8000 B": 8_000 }, ["0", "65kB", "64001", "8 KB", "-8", ""]],
  ["max-story", { "32kB": 32_000 }, ["1MB", "1.5kB"]],
  ["search-limit", { "1": 1, "9999": 9_999 }, ["10000", "0"]],
  ["participant-update-limit", { "1": 1, "100000": 100_000 }, ["100001", "0"]],
  [
    "room-management-url",
    {
      "": "",
      "HTTP://chat.example.com/a?b=1&c": "HTTP://chat.example.com/a?b=1&c",
      [URL_OF_1000]: URL_OF_1000,
    },
    [
      `${URL_OF_1000}r`,
      "chat.example.com",
      "ftp://chat.example.com",
      "javascript:alert(1)",
      "https://",
      'https://chat.example.com/"',
      "https://chat.example.com/<b>",
      "https://chat.example.com/a b",
      "https://chat.example.com/\u0001",
      "https://chat.example.com/\ud800",
      " https://chat.example.com",
    ],
  ],
];

for (const [name, good, bad] of VALUES)
  test(`${name} takes what is in its range, and names the range to who gives anything else`, () => {
    for (const [given, value] of Object.entries(good)) {
      assert.equal(SETTINGS[name].read(given), value, given);
      assert.equal(settingProblem(name, given), undefined);
    }
    for (const given of bad)
      assert.equal(settingProblem(name, given), `${JSON.stringify(given)} is not ${SETTINGS[name].allowed}`);
  });

test("what is set at run time goes before the file, and a row that is no value of its setting counts as not set", () => {
  const file = { ...inFile, "max-story": 20_000, "room-management-url": "https://a.example.com" };
  assert.deepEqual(settingsInEffect(new Map(), file), file);
  const set = new Map([
    ["default-chat-history", "7"],
    ["max-story", "9999999"],
    ["room-management-url", ""],
    ["store-id", "1"],
  ]);
  assert.deepEqual(settingsInEffect(set, file), {
    ...file,
    "default-chat-history": 7,
    "room-management-url": "",
  });
});
