import { ClientError } from "./client-error.ts";
import type { ChatCopy } from "./xccos-body.ts";
import { attribute, child, children, type XmlElement } from "./xml-reader.ts";

export interface NoticeUser {
  /** "sip:…" */
  readonly address: string;
  readonly name: string;
  /** Permission mask in the room; 0 when the notice has none. */
  readonly permissions: number;
}

/** One `ntc`, taken apart per room. */
export interface Notice {
  /** "join", "bjoin", "part", "invite", "chanmodify", … */
  readonly kind: string;
  /** "ma-chan://…", or "" for a notice without a room. */
  readonly room: string;
  readonly users: readonly NoticeUser[];
  readonly data: XmlElement | undefined;
}

interface Waiter {
  /** True when it is satisfied and shall be removed. */
  readonly offer: () => boolean;
}

/** What arrived, kept in order, and those who wait for it. */
export class Inbox {
  messages: ChatCopy[] = [];
  notices: Notice[] = [];
  /** Ever received, also when nothing is kept. */
  messagesReceived = 0;
  noticesReceived = 0;
  private readonly keep: number;
  private waiters: Waiter[] = [];

  /** Keeps the newest `keep` messages and notices (0 = none). */
  constructor(keep: number) {
    this.keep = keep;
  }

  addMessage(message: ChatCopy): void {
    this.messagesReceived += 1;
    if (this.keep > 0) keepNewest(this.messages, message, this.keep);
    this.wake();
  }

  addNotice(notice: Notice): void {
    this.noticesReceived += 1;
    if (this.keep > 0) keepNewest(this.notices, notice, this.keep);
    this.wake();
  }

  clear(): void {
    this.messages = [];
    this.notices = [];
  }

  /** Everybody who waits looks again: called after each arrival and after a change of state. */
  wake(): void {
    if (this.waiters.length > 0) this.waiters = this.waiters.filter((waiter) => !waiter.offer());
  }

  /**
   * Resolves with the first defined value of `probe`, asked now and after each arrival.
   * @throws ClientError kind "timeout"
   */
  waitFor<T>(probe: () => T | undefined, timeoutMs: number, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const settled = (): boolean => {
        const value = probe();
        if (value === undefined) return false;
        clearTimeout(timer);
        resolve(value);
        return true;
      };
      const waiter: Waiter = { offer: settled };
      const timer = setTimeout(() => {
        this.waiters = this.waiters.filter((candidate) => candidate !== waiter);
        reject(new ClientError("timeout", `${what}: nothing within ${timeoutMs} ms`));
      }, timeoutMs);
      if (!settled()) this.waiters.push(waiter);
    });
  }
}

/** Cuts in slices, so that a long run does not move the whole list with each message. */
function keepNewest<T>(list: T[], item: T, keep: number): void {
  list.push(item);
  if (list.length > keep * 2) list.splice(0, list.length - keep);
}

/** Reads one `ntc`: in join and bjoin the users hold their rooms, in part the rooms hold their users. */
export function readNotices(item: XmlElement): Notice[] {
  const kind = attribute(item, "id").replace(/^ntc:/i, "").toLowerCase();
  const data = child(item, "data");
  if (!data) return [{ kind, room: "", users: [], data }];
  const rooms = new Map<string, NoticeUser[]>();
  for (const user of children(data, "uib")) {
    for (const aib of children(user, "aib")) {
      const room = `ma-chan://${attribute(aib, "domain")}/${attribute(aib, "value")}`;
      const users = rooms.get(room) ?? [];
      users.push(readUser(user, Number(attribute(aib, "key"))));
      rooms.set(room, users);
    }
  }
  for (const block of children(data, "chanib")) {
    const room = attribute(block, "uri");
    rooms.set(room, [...(rooms.get(room) ?? []), ...children(block, "uib").map((user) => readUser(user, 0))]);
  }
  if (rooms.size === 0) return [{ kind, room: "", users: [], data }];
  return [...rooms].map(([room, users]) => ({ kind, room, users, data }));
}

function readUser(element: XmlElement, permissions: number): NoticeUser {
  return { address: attribute(element, "uri"), name: attribute(element, "disname"), permissions };
}
