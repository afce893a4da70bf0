import assert from "node:assert/strict";
import { test } from "node:test";
import type { Aor } from "../../../src/chat/user.ts";
import { Envids } from "../../../src/delivery/envids.ts";
import { RosterNotices } from "../../../src/delivery/roster-notices.ts";
import type { OutgoingDialog } from "../../../src/ports.ts";
import type { Session } from "../../../src/session.ts";
import { travellingBytes } from "../../../src/xccos/travelling.ts";
import { aRoom, aSession } from "../../support/sessions.ts";
import { until } from "../../support/until.ts";

const room = aRoom(1);

function lab(maxBytes = 90_000) {
  const present = new Set<Session>();
  const sent = new Map<OutgoingDialog, string[]>();
  const sizes: number[] = [];
  let flushes = 0;
  const notices = new RosterNotices({
    sender: {
      send: (body, dialogs) => {
        flushes += 1;
        sizes.push(travellingBytes(body));
        const news = [...body.matchAll(/id="ntc:(\w+)"|uri="sip:(\w+)@/g)].map(
          ([, kind, user]) => kind ?? user,
        );
        for (const dialog of dialogs) sent.set(dialog, [...(sent.get(dialog) ?? []), news.join(" ")]);
      },
    },
    envids: new Envids(),
    sessionsIn: () => present,
    maxBytes: () => maxBytes,
  });
  return {
    notices,
    sizes,
    arrive(name: string, conid: number): Session {
      const session = aSession(name, conid);
      present.add(session);
      notices.arrived(session, room.id);
      return session;
    },
    enters: (name: string) => notices.add(room, { entered: { user: aor(name), name, mask: 3984 } }),
    leaves: (name: string) => notices.add(room, { left: aor(name) }),
    heard: (session: Session) => sent.get(session) ?? [],
    flushed: () => until("the gathering time is over", () => flushes > 0, 5_000),
  };
}

function aor(name: string): Aor {
  return `sip:${name}@example.com` as Aor; // a literal in its normal form
}

test("who comes is told what happened afterwards, not what his list already shows", async () => {
  const { arrive, enters, heard, flushed, notices } = lab();
  const alice = arrive("alice", 1);
  enters("bob");
  const bob = arrive("bob", 2);
  enters("carol");
  await flushed();
  assert.deepEqual(heard(alice), ["join bob carol"]);
  assert.deepEqual(heard(bob), ["join carol"]);
  notices.stop();
});

test("who comes and goes is mentioned only to those who found him there", async () => {
  const { arrive, enters, leaves, heard, flushed, notices } = lab();
  const alice = arrive("alice", 1);
  enters("bob");
  const carol = arrive("carol", 3); // bob stands in her list
  leaves("bob");
  const dave = arrive("dave", 4);
  await flushed();
  assert.deepEqual(heard(alice), [], "she saw neither");
  assert.deepEqual(heard(carol), ["part bob"], "or she would see him for ever");
  assert.deepEqual(heard(dave), []);
  notices.stop();
});

test("a crowd in one room is told in as many notices as it takes, each small enough to travel, nobody twice", async () => {
  const most = 5_000;
  const { arrive, enters, leaves, heard, flushed, notices, sizes } = lab(most);
  const alice = arrive("alice", 1);
  const crowd = Array.from({ length: 200 }, (_, index) => `user${index}`);
  for (const name of crowd) enters(name);
  for (const name of crowd.slice(0, 50)) notices.add(room, { left: aor(`old${name}`) });
  leaves("user199"); // came and went: nothing to tell
  await flushed();
  const told = heard(alice).flatMap((news) => news.split(" "));
  assert.ok(sizes.length > 3);
  // A notice is measured without its envelope.
  assert.ok(
    sizes.every((size) => size < most + 500),
    `${Math.max(...sizes)}`,
  );
  assert.deepEqual(
    told.filter((word) => word !== "join" && word !== "part").sort(),
    [...crowd.slice(0, 199), ...crowd.slice(0, 50).map((name) => `old${name}`)].sort(),
  );
  notices.stop();
});
