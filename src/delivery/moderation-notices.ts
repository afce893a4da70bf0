import type { StoredMessage } from "../chat/message.ts";
import type { Room } from "../chat/room.ts";
import type { MessageStore, SipSender } from "../ports.ts";
import { encodeEnvelope } from "../xccos/envelope.ts";
import { encodeMessagesModifiedNotice } from "../xccos/notice.ts";
import { travellingBytes } from "../xccos/travelling.ts";
import type { Envids } from "./envids.ts";
import { type Fanout, wireMessage } from "./fanout.ts";

/** Messages read in one step. */
const STEP = 200;
/** Travelling bytes of replaced messages in one notice: well below what travels in one body. */
const NOTICE_BYTES = 40_000;

interface ModerationPorts {
  readonly messages: Pick<MessageStore, "range" | "moderated" | "clearedTo">;
  readonly fanout: Fanout;
  readonly sender: SipSender;
  readonly envids: Envids;
}

interface NumberSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * Tells the participants of this node which messages of their room are gone or have another text: `ntc:msgmodify`.
 * COMPAT(SIPE, 1.25): it takes no notice of it; what it has shown stays on its screen.
 */
export class ModerationNotices {
  private readonly ports: ModerationPorts;

  constructor(ports: ModerationPorts) {
    this.ports = ports;
  }

  /** @param changes by their versions */
  async tell(roomId: number, changes: { readonly after: number; readonly upTo: number }): Promise<void> {
    const { messages, fanout } = this.ports;
    if (!fanout.roomHere(roomId)) return;
    const cleared = await messages.clearedTo(roomId);
    let gone: NumberSpan[] = cleared > 0 ? [{ from: 1, to: cleared }] : [];
    for (let above = 0; ; ) {
      const found = await messages.moderated(roomId, changes, above, STEP);
      const numbers = found.map(({ number }) => number);
      await fanout.moderated(roomId, numbers);
      gone.push(...spansOf(found.filter(({ removed }) => removed).map(({ number }) => number)));
      const replaced: StoredMessage[] = [];
      for (const { from, to } of spansOf(found.filter(({ removed }) => !removed).map(({ number }) => number)))
        replaced.push(...(await messages.range(roomId, from, to)));
      this.send(roomId, gone, replaced);
      gone = [];
      const last = numbers.at(-1);
      if (last === undefined || found.length < STEP) return;
      above = last;
    }
  }

  private send(roomId: number, gone: readonly NumberSpan[], replaced: readonly StoredMessage[]): void {
    const { fanout, sender, envids } = this.ports;
    const room = fanout.roomHere(roomId);
    if (!room || gone.length + replaced.length === 0) return;
    const hearing = [...fanout.sessionsIn(roomId)].filter(({ reachable }) => reachable);
    if (hearing.length === 0) return;
    for (const notice of notices(room, gone, replaced))
      sender.send(encodeEnvelope(envids.next(), notice), hearing, roomId);
  }
}

function* notices(
  room: Room,
  gone: readonly NumberSpan[],
  replaced: readonly StoredMessage[],
): Generator<string> {
  const named = { uri: room.uri, name: room.name };
  let removed = gone;
  let waiting: ReturnType<typeof wireMessage>[] = [];
  let bytes = 0;
  for (const message of replaced) {
    const size = travellingBytes(message.text) + 500;
    if (waiting.length > 0 && bytes + size > NOTICE_BYTES) {
      yield encodeMessagesModifiedNotice(named, removed, waiting);
      [removed, waiting, bytes] = [[], [], 0];
    }
    waiting.push(wireMessage(room, message));
    bytes += size;
  }
  yield encodeMessagesModifiedNotice(named, removed, waiting);
}

/** Rising numbers as the spans they make. */
function spansOf(numbers: readonly number[]): NumberSpan[] {
  const spans: { from: number; to: number }[] = [];
  for (const number of numbers) {
    const last = spans.at(-1);
    if (last && last.to === number - 1) last.to = number;
    else spans.push({ from: number, to: number });
  }
  return spans;
}
