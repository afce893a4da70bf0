import assert from "node:assert/strict";
import { test } from "node:test";
import type { Room } from "../../../src/chat/room.ts";
import { ReadMarks } from "../../../src/delivery/read-marks.ts";
import type { DialogRecord } from "../../../src/ports.ts";
import { type JoinedHere, Session } from "../../../src/session.ts";
import type { ReadMark } from "../../../src/user-ports.ts";

const ROOM = { id: 7, keepsHistory: true } as Room;

/** Alice's dialog in the room; what is not given here is not asked for. */
function joined(place: Pick<JoinedHere, "since" | "entered">): Session {
  const session = new Session(
    { state: {}, user: { id: 1 }, flow: { transport: "tls" }, epoch: 1 } as unknown as DialogRecord,
    0,
  );
  session.rooms.set(ROOM.id, { room: ROOM, mask: 0, mayPost: false, ...place });
  return session;
}

/** Marks the store is given after what is done; `delivered`: last number of the room handed to the sender. */
async function marks(does: (marks: ReadMarks) => void, delivered?: number): Promise<number[]> {
  const saved: ReadMark[] = [];
  const store = {
    save: async (some: readonly ReadMark[]) => void saved.push(...some),
    read: async () => new Map(),
    removedAbove: async () => 0,
  };
  const readMarks = new ReadMarks({ store, delivered: () => delivered });
  does(readMarks);
  await readMarks.save();
  return saved.map(({ number }) => number);
}

test("who leaves has read all that was delivered since he entered, and nothing if that is nothing", async () => {
  assert.deepEqual(await marks((some) => some.left(joined({ since: 3 }), ROOM), 5), [5]);
  assert.deepEqual(await marks((some) => some.left(joined({ since: 3 }), ROOM), 3), []);
  assert.deepEqual(await marks((some) => some.left(joined({ since: 3 }), ROOM)), []);
});

test("who leaves while his node's successor has not begun to deliver has read what the dead node had sent, not what was said since", async () => {
  assert.deepEqual(await marks((some) => some.leftUnheard(joined({ since: 4, entered: 3 }), ROOM), 9), [4]);
  assert.deepEqual(await marks((some) => some.lost(joined({ since: 4, entered: 3 }))), [4]);
});

test("who was silenced, or is entering, has read nothing by leaving", async () => {
  assert.deepEqual(await marks((some) => some.leftUnheard(joined({ since: 3 }), ROOM), 9), []);
  assert.deepEqual(await marks((some) => some.leftUnheard(joined({ since: 3, entered: 3 }), ROOM), 9), []);
});
