import assert from "node:assert/strict";
import type { XccosEndpoint } from "../../plugin/client/endpoint.ts";
import { LAB_TIMEOUT_MS, type Lab } from "./lab.ts";

/** Stands in whatever a hostile sender writes as message text: no log may ever show it. */
export const SECRET_WORD = "Zaunkoenig";

const ORDINARY = "business as usual";

/** Two who chat in a room while somebody misbehaves. */
export interface Witnesses {
  readonly room: string;
  readonly speaker: XccosEndpoint;
  readonly listener: XccosEndpoint;
  /**
   * They still chat; since the last look nothing else was stored in the room, and neither of them was sent anything else.
   * Numbers are dense per room, so a number that is one more than the last one leaves no room for a stored intruder.
   */
  unharmed(after: string): Promise<void>;
}

/** Both join the room. */
export async function witnesses(room: string, speaker: XccosEndpoint, listener: XccosEndpoint) {
  for (const endpoint of [speaker, listener]) {
    const { code } = await endpoint.join(room);
    assert.equal(code, 200, `${endpoint.address} enters the room`);
  }
  let last: number | undefined;
  let said = 0;
  const together: Witnesses = {
    room,
    speaker,
    listener,
    async unharmed(after) {
      said += 1;
      const text = `${ORDINARY} ${said}`;
      assert.equal(
        await speaker.post(room, text, { timeoutMs: LAB_TIMEOUT_MS }),
        200,
        `post after: ${after}`,
      );
      for (const endpoint of [speaker, listener]) {
        const copy = await endpoint.waitForMessage((message) => message.text === text, LAB_TIMEOUT_MS);
        if (last !== undefined) assert.equal(copy.chatId, last + 1, `something was stored by: ${after}`);
        const strange = endpoint.messages.filter((message) => !message.text.startsWith(ORDINARY));
        assert.deepEqual(strange, [], `somebody received: ${after}`);
      }
      last = (last ?? (speaker.messages.at(-1)?.chatId as number) - 1) + 1; // there is one: it has just been awaited
    },
  };
  await together.unharmed("joining");
  return together;
}

/** Bad input is no reason for a stack trace, and what people write is never in a log. */
export function assertCleanLogs(lab: Lab, names: readonly string[] = ["n1", "worker", "kamailio"]): void {
  for (const name of names) {
    const log = lab.log(name);
    const trace = /^.*(?:"stack":|\n\s+at \S).*$/m.exec(log);
    assert.equal(trace?.[0], undefined, `stack trace in the log of ${name}`);
    const leak = log.split("\n").find((line) => line.includes(SECRET_WORD) || line.includes(encoded));
    assert.equal(leak, undefined, `message text in the log of ${name}`);
  }
}

const encoded = Buffer.from(SECRET_WORD).toString("base64").slice(0, 12);
