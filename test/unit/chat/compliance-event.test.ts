import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ComplianceEvent,
  type ComplianceFact,
  canonicalBody,
  canonicalJson,
} from "../../../src/chat/compliance-event.ts";
import type { Aor } from "../../../src/chat/user.ts";

const event = (fact: ComplianceFact): ComplianceEvent => ({
  eventId: "0".repeat(32),
  stream: "room:7",
  streamSeq: 12,
  atMs: 1_795_395_600_123,
  node: "n1",
  session: "9f3a",
  user: { id: 3, uri: "sip:ada@example.com" as Aor, displayName: 'Ada "A" Berg', email: null },
  room: { id: 7, uri: "ma-chan://example.com/7", name: "FX\u2028Desk" },
  fact,
});

const FACTS: readonly ComplianceFact[] = [
  { kind: "JOIN" },
  { kind: "PART", reason: "connection-lost" },
  { kind: "CHAT", number: 9, alert: true, text: 'line 1\r\n"2" \\ \u{1F600} \ud800 \u0000', rtf: null },
  { kind: "STORY", number: 10, alert: false, text: "[STORY]", rtf: "{\\rtf1}" },
  {
    kind: "MESSAGE_REPLACED",
    reason: "tone",
    old: { number: 9, author: "sip:bob@example.com", atMs: 5, text: "b\u0000", rtf: null },
    text: "new",
  },
  {
    kind: "ROOM_CLEARED",
    reason: "age",
    beforeMs: null,
    to: 2,
    old: [{ number: 2, author: "sip:bob@example.com", atMs: 5, text: "b", rtf: "{r}" }],
  },
  { kind: "BACKCHAT", from: 1, to: 30, count: 30, limit: 30 },
  {
    kind: "ROOM_CHANGED",
    subject: "",
    before: { type: "normal", name: "Old", roles: { member: ["sip:b@example.com"], manager: [] } },
    after: { type: "auditorium", name: "New\n", invitations: true, addIn: null },
  },
  { kind: "NODE_START", incarnation: "n1-3" },
  { kind: "NODE_HEARTBEAT", dialogs: 12, databaseMs: 1_795_395_600_100 },
  { kind: "NODE_STOP", reason: "server-lost", last: 77, lastSeenMs: 1_795_395_590_000 },
  { kind: "LOGIN", epid: "", source: "192.0.2.7:5061", transport: "tls" },
  { kind: "LOGOUT", reason: "replaced", successor: "9f3a00112233aabb" },
  { kind: "USER_CHANGED", subject: "sip:b@example.com", before: null, after: { name: "B", email: null } },
  { kind: "POLICY_CHANGED", subject: "enable-persistent-chat", before: false, after: true },
  { kind: "SETTING_CHANGED", subject: "max-story", before: null, after: 64_000 },
  { kind: "DOMAIN_CHANGED", subject: "example.org", before: null, after: { served: true } },
  {
    kind: "SEARCH",
    criteria: {
      text: "pump 3",
      match: "all",
      caseSensitive: true,
      authors: ["sip:bob@example.com" as Aor],
      fromMs: 1_795_395_600_000,
      toMs: null,
      start: null,
      backwards: true,
      limit: 50,
    },
    shown: [3, 9],
    matches: 2,
    exceeded: false,
  },
];

for (const fact of FACTS) {
  test(`the body of ${fact.kind} is canonical: sorted keys, no blanks, the same whatever the order it was made in`, () => {
    const body = canonicalBody(event(fact));
    assert.equal(body, canonicalJson(JSON.parse(body)));
    const { kind, ...detail } = fact;
    const parsed = JSON.parse(body);
    assert.deepEqual(parsed.detail, detail);
    assert.equal(parsed.kind, kind);
    assert.deepEqual(Object.keys(parsed), [...Object.keys(parsed)].sort());
  });
}
