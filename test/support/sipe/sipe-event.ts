/**
 * What the headless client prints: one JSON object per line, told apart by `event`. `uri` is null when it is not known.
 * `left`: the window is closed; `parted`: the server's answer was read; `stray-message`: one of a room the client is not in.
 */
export type SipeEvent =
  | { event: "ready"; libpurple: string; plugin: string }
  | { event: "connected" }
  | { event: "disconnected" }
  | { event: "room-list-end" }
  | { event: "room-list-refused" }
  | { event: "bye" }
  | { event: "connection-error"; code: number; text: string }
  | ({ event: "room" } & SipeRoom)
  | { event: "joined"; room: string; uri: string | null; topic: string | null; users: SipeRoomUser[] }
  | { event: "user-joined"; room: string; uri: string | null; who: string }
  | { event: "user-left"; room: string; uri: string | null; who: string }
  | ({ event: "message" } & SipeMessage)
  | ({ event: "chat-error" } & SipeNotice)
  | ({ event: "chat-notice" } & SipeNotice)
  | { event: "left"; room: string; uri: string | null }
  | { event: "parted"; uri: string | null }
  | { event: "stray-message"; uri: string | null }
  | {
      event: "notify";
      level: "error" | "warning" | "info";
      title: string | null;
      primary: string | null;
      secondary: string | null;
    }
  | {
      event: "request";
      title: string | null;
      primary: string | null;
      secondary: string | null;
      answer: string | null;
    }
  | { event: "command-error"; command: string; text: string };

/** A row of the plugin's room list; `users` is the number of participants. */
export interface SipeRoom {
  name: string;
  uri: string;
  users: number;
  invite: boolean;
  private: boolean;
  logged: boolean;
  description: string | null;
}

/** A participant: a SIP URI. */
export interface SipeRoomUser {
  who: string;
  operator: boolean;
}

/** A line in a room's window; `text` is what a person reads, `at` seconds since 1970, `own` what the client takes for its user's. */
export interface SipeMessage {
  room: string;
  uri: string | null;
  who: string;
  text: string;
  html: string;
  flags: number;
  own: boolean;
  at: number;
}

/** Narrows an event to one kind, for predicates. */
export function isSipeEvent<K extends SipeEvent["event"]>(
  event: SipeEvent,
  kind: K,
): event is Extract<SipeEvent, { event: K }> {
  return event.event === kind;
}

/** A line the client itself writes into a room's window, e.g. that a message was not delivered. */
export type SipeNotice = Omit<SipeMessage, "who"> & { who: string | null };
