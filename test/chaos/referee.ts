import type { ArchivedMessage, Evidence, Excuses } from "./evidence.ts";
import { actFaults, deliveryFaults } from "./referee-acts.ts";
import { seatFaults } from "./referee-copies.ts";

/** One line for each broken promise; a run that went badly wrong is cut off. */
const MAX_FAULTS_OF_A_KIND = 8;

/**
 * Compares what clients were told with what is stored, archived and delivered. What is promised: every acknowledged post is stored
 * once and archived once, numbers are dense per room, nothing is stored twice under one (token, envid, seqid), copies come in
 * order and exactly once but for what `excuses` names. What clients did besides is recorded once, in both archives (`referee-acts.ts`).
 * @returns broken promises; empty when all were kept
 */
export function judge(evidence: Evidence, excuses: Excuses = {}): string[] {
  return [
    ...some("answers", answerFaults(evidence, excuses)),
    ...some("stored", storeFaults(evidence)),
    ...some("archived", archiveFaults(evidence)),
    ...some("sealed", sealedFaults(evidence)),
    ...some("acts", actFaults(evidence)),
    ...some("runs", deliveryFaults(evidence)),
    ...some("delivered", seatFaults(evidence, excuses)),
  ];
}

/** The first faults of a kind, and how many more there are. */
export function some(kind: string, faults: readonly string[]): string[] {
  const shown = faults.slice(0, MAX_FAULTS_OF_A_KIND).map((fault) => `${kind}: ${fault}`);
  return faults.length > shown.length ? [...shown, `${kind}: ${faults.length - shown.length} more`] : shown;
}

/** 503 is the only refusal: nobody did anything wrong, no dialog ended, and a server error would be ours to mend. */
function answerFaults({ posts }: Evidence, { lostConnections = false }: Excuses): string[] {
  const faults: string[] = [];
  for (const { text, answers } of posts) {
    for (const answer of answers) {
      if (answer === 200 || answer === 503 || (answer === "none" && lostConnections)) continue;
      faults.push(`${text} was answered ${answer}`);
    }
  }
  return faults;
}

function storeFaults({ posts, stored, rooms, postKeys }: Evidence): string[] {
  const faults: string[] = [];
  const known = new Map(posts.map((post) => [post.text, post]));
  const times = new Map<string, number>();
  for (const message of stored) {
    times.set(message.text, (times.get(message.text) ?? 0) + 1);
    const post = known.get(message.text);
    if (!post) faults.push(`${message.room} ${message.number} was posted by nobody`);
    else if (post.room !== message.room || post.author !== message.author)
      faults.push(`${message.text} is stored in another room or under another author`);
  }
  for (const [text, count] of times) if (count > 1) faults.push(`${text} is stored ${count} times`);
  for (const { text, acknowledgedAt } of posts)
    if (acknowledgedAt !== undefined && !times.has(text)) faults.push(`${text} was acknowledged and is LOST`);
  for (const { room, lastNumber } of rooms) {
    const numbers = stored.filter((message) => message.room === room).map(({ number }) => number);
    numbers.sort((a, b) => a - b);
    const dense = numbers.every((number, index) => number === index + 1) && numbers.length === lastNumber;
    if (!dense) faults.push(`numbers of ${room} are not 1…${lastNumber}: ${numbers.length} messages`);
  }
  if (postKeys !== stored.length)
    faults.push(`${stored.length} messages are stored under ${postKeys} (token, envid, seqid)`);
  return faults;
}

/** What nodes record in their own streams. */
const IN_OWN_STREAM = ["BACKCHAT", "LOGIN", "LOGOUT", "NODE_START", "NODE_HEARTBEAT", "NODE_STOP"];

function archiveFaults(evidence: Evidence): string[] {
  const { stored, archived, rooms, readEvents, quarantined } = evidence;
  const faults: string[] = [];
  const key = (message: { room: string; number: number; author: string; text: string }) =>
    `${message.room} ${message.number} ${message.author} ${message.text}`;
  const times = new Map(stored.map((message) => [key(message), 0]));
  for (const message of archived.filter(({ type }) => type === "CHAT")) {
    const count = times.get(key(message));
    if (count === undefined) faults.push(`${key(message)} is in the archive and not in the store`);
    else times.set(key(message), count + 1);
  }
  for (const [message, count] of times)
    if (count !== 1) faults.push(`${message} is in the archive ${count} times`);
  for (const { room, lastEvent } of rooms) {
    const events = archived.filter((message) => message.room === room && message.type !== "BACKCHAT").length;
    if (events !== lastEvent)
      faults.push(`${room} recorded ${lastEvent} events and ${events} are in the archive`);
  }
  const own = archived.filter(({ type }) => IN_OWN_STREAM.includes(type)).length;
  if (own !== readEvents)
    faults.push(`lives of nodes recorded ${readEvents} events, ${own} are in the archive`);
  if (quarantined > 0) faults.push(`${quarantined} events are in quarantine`);
  return [...faults, ...orderFaults(archived)];
}

/** Every event of every stream once, and of every message the one that says it. */
function sealedFaults({ stored, sealed, recorded, complaints }: Evidence): string[] {
  const faults = [...complaints];
  const numbers = new Map<string, number[]>();
  for (const { stream, streamSeq } of sealed) {
    const list = numbers.get(stream);
    if (list) list.push(streamSeq);
    else numbers.set(stream, [streamSeq]);
  }
  for (const [stream, count] of recorded) {
    const found = (numbers.get(stream) ?? []).sort((a, b) => a - b);
    const dense = found.length === count && found.every((number, index) => number === index + 1);
    if (!dense) faults.push(`${stream} recorded ${count} events, ${found.length} are sealed`);
  }
  const key = (message: { room: string; number: number; author: string; text: string }) =>
    `${message.room} ${message.number} ${message.author} ${message.text}`;
  const times = new Map(stored.map((message) => [key(message), 0]));
  for (const event of sealed.filter(({ kind }) => kind === "CHAT" || kind === "STORY")) {
    const count = times.get(key(event));
    if (count === undefined) faults.push(`${key(event)} is sealed and not in the store`);
    else times.set(key(event), count + 1);
  }
  for (const [message, count] of times) if (count !== 1) faults.push(`${message} is sealed ${count} times`);
  return faults;
}

/** Within a conversation of a file, messages stand in the order of their numbers. */
function orderFaults(archived: readonly ArchivedMessage[]): string[] {
  const faults: string[] = [];
  const last = new Map<string, number>();
  for (const { conversation, type, number } of archived) {
    if (type !== "CHAT") continue;
    const before = last.get(conversation) ?? 0;
    if (number <= before) faults.push(`${conversation}: ${number} stands after ${before}`);
    last.set(conversation, number);
  }
  return faults;
}
