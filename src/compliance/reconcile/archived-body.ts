import type { ChatMessage } from "./ports.ts";

/** What an event of a room's stream says of its messages. */
export type ArchivedBody = { readonly actor: { readonly id: number }; readonly at: number } & (
  | { readonly kind: "CHAT" | "STORY"; readonly detail: Omit<ChatMessage, "authorId" | "atMs"> }
  | { readonly kind: "MESSAGE_REMOVED"; readonly detail: { readonly old: { readonly number: number } } }
  | {
      readonly kind: "MESSAGE_REPLACED";
      readonly detail: {
        readonly old: { readonly number: number; readonly atMs: number };
        readonly text: string;
      };
    }
  | {
      readonly kind: "ROOM_CLEARED";
      readonly detail: { readonly to: number; readonly old: readonly { readonly number: number }[] };
    }
  | {
      readonly kind: "ROOM_IMPORTED";
      readonly detail: { readonly after: { readonly lastNumber: number } };
    }
  | { readonly kind: "JOIN"; readonly detail: unknown } // and all others, which say nothing of messages
);

type Members = Readonly<Record<string, unknown>>;

/** @returns undefined for what is no event as ours are recorded: it is sealed all the same, whoever wrote it */
export function readArchived(body: Buffer): ArchivedBody | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
  const { kind, actor, at, detail } = membersOf(value);
  if (typeof kind !== "string" || !isWhole(membersOf(actor).id) || !isWhole(at)) return undefined;
  const isOurs = DETAILS[kind]?.(membersOf(detail)) ?? true;
  return isOurs ? (value as ArchivedBody) : undefined; // as was just looked at
}

const DETAILS: Readonly<Record<string, (detail: Members) => boolean>> = {
  CHAT: isPost,
  STORY: isPost,
  MESSAGE_REMOVED: ({ old }) => isWhole(membersOf(old).number),
  MESSAGE_REPLACED: ({ old, text }) =>
    isWhole(membersOf(old).number) && isWhole(membersOf(old).atMs) && typeof text === "string",
  ROOM_CLEARED: ({ to, old }) =>
    isWhole(to) && Array.isArray(old) && old.every((one) => isWhole(membersOf(one).number)),
  ROOM_IMPORTED: ({ after }) => isWhole(membersOf(after).lastNumber),
};

function isPost({ alert, number, rtf, text }: Members): boolean {
  const isRtf = rtf === null || typeof rtf === "string";
  return isWhole(number) && typeof text === "string" && typeof alert === "boolean" && isRtf;
}

function membersOf(value: unknown): Members {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
