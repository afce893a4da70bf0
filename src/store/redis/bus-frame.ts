import type { BusMessage } from "../../ports.ts";
import type { Incarnation } from "../../sip/dialog.ts";

export interface BusFrame {
  readonly from: string;
  readonly messages: readonly BusMessage[];
  /** Messages of the frame that are of no known shape, as a newer node may send. */
  readonly unreadable: number;
}

/** `{"v":1,"from":…,"messages":[…]}`; `messages` are encoded already. */
export function encodeFrame(from: Incarnation, messages: readonly string[]): string {
  return `{"v":1,"from":${JSON.stringify(from)},"messages":[${messages.join(",")}]}`;
}

/** @returns undefined when it is no frame of ours. */
export function decodeFrame(payload: string): BusFrame | undefined {
  let frame: unknown;
  try {
    frame = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (!isRecord(frame) || frame.v !== 1 || typeof frame.from !== "string" || !Array.isArray(frame.messages)) {
    return undefined;
  }
  const messages = frame.messages.filter(isBusMessage);
  return { from: frame.from, messages, unreadable: frame.messages.length - messages.length };
}

function isBusMessage(value: unknown): value is BusMessage {
  if (!isRecord(value)) return false;
  switch (value.kind) {
    case "posted":
      return (
        isCount(value.roomId) &&
        isCount(value.number) &&
        typeof value.grpchat === "string" &&
        (value.accessVersion === undefined || isCount(value.accessVersion))
      );
    case "permission":
      return isCount(value.roomId) && isParticipant(value.participant);
    case "changed":
      return true;
    case "entered":
      return isCount(value.roomId) && isCount(value.total) && isParticipant(value.participant);
    case "left":
      return isCount(value.roomId) && isCount(value.total) && typeof value.user === "string";
    case "adopted":
      return typeof value.token === "string" && /^[0-9a-f]{32}$/.test(value.token);
    case "published":
      return isCount(value.userId);
    default:
      return false;
  }
}

function isParticipant(value: unknown): boolean {
  return (
    isRecord(value) && typeof value.user === "string" && typeof value.name === "string" && isCount(value.mask)
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
