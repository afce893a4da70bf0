import { setImmediate as turn } from "node:timers/promises";
import type { Participant } from "../../ports.ts";
import type { Incarnation } from "../../sip/dialog.ts";
import type { RedisConnection } from "./connection.ts";
import { indexKey, roomKey } from "./presence-scripts.ts";
import { encodeValue } from "./presence-value.ts";

/**
 * The truth about this node, asked room by room at the moment the room is published: a list made before would bring back
 * somebody who left meanwhile.
 */
export interface PresenceSource {
  /** Rooms with at least one participant here. */
  rooms(): Iterable<number>;
  /** Participants here, each user once. */
  participants(roomId: number): Iterable<Participant>;
}

const fieldsPerCommand = 500;
/** Between the event loop's turns at most this many participants are encoded. */
const participantsPerTurn = 1_000;
const turnLimitMs = 5_000;

/**
 * Writes every room of `source` in its own transaction, then removes what Redis holds of us in other rooms.
 * @returns false when Redis went away or was too slow.
 */
export async function publishAll(
  redis: RedisConnection,
  me: Incarnation,
  source: PresenceSource,
  stopped: () => boolean,
): Promise<boolean> {
  const before = await redis.within((client) => client.sMembers(indexKey(me)), turnLimitMs);
  if (before === undefined) return false;
  const published = new Set<number>();
  let pending: Promise<unknown>[] = [];
  let size = 0;
  for (const roomId of [...source.rooms()]) {
    const participants = [...source.participants(roomId)];
    if (participants.length === 0) continue;
    published.add(roomId);
    pending.push(redis.within(() => publishRoom(redis, me, roomId, participants), turnLimitMs));
    size += participants.length + 10;
    if (size < participantsPerTurn) continue;
    if (!(await allDone(pending)) || stopped()) return false;
    pending = [];
    size = 0;
    await turn();
  }
  if (!(await allDone(pending)) || stopped()) return false;
  // Asked again now: somebody may have entered meanwhile.
  const rest = before.map(Number).filter((roomId) => !published.has(roomId));
  return allDone(
    rest.map((roomId) =>
      redis.within(() => publishRoom(redis, me, roomId, [...source.participants(roomId)]), turnLimitMs),
    ),
  );
}

async function publishRoom(
  redis: RedisConnection,
  me: Incarnation,
  roomId: number,
  participants: readonly Participant[],
): Promise<true> {
  const key = roomKey(roomId, me);
  const batch = redis.raw.multi().unlink(key);
  if (participants.length > 0) batch.sAdd(indexKey(me), String(roomId));
  else batch.sRem(indexKey(me), String(roomId));
  for (let start = 0; start < participants.length; start += fieldsPerCommand) {
    const fields = participants.slice(start, start + fieldsPerCommand);
    batch.hSet(
      key,
      fields.map((participant): [string, string] => [participant.user, encodeValue(participant)]),
    );
  }
  await batch.exec();
  return true;
}

async function allDone(pending: readonly Promise<unknown>[]): Promise<boolean> {
  return (await Promise.all(pending)).every((answer) => answer !== undefined);
}
