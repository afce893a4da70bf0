import type { Session } from "./session.ts";
import type { DialogToken, Flow } from "./sip/dialog.ts";

/** All sessions whose home is this node, by what requests and events know of them. No search walks a list. */
export class Sessions {
  private readonly byToken = new Map<DialogToken, Session>();
  private readonly byConnection = new Map<string, Set<Session>>();
  private readonly byDialog = new Map<string, Set<Session>>();
  private readonly byUser = new Map<number, Set<Session>>();

  get size(): number {
    return this.byToken.size;
  }

  all(): IterableIterator<Session> {
    return this.byToken.values();
  }

  add(session: Session): void {
    this.byToken.set(session.token, session);
    into(this.byConnection, connectionKey(session.flow), session);
    into(this.byDialog, dialogKey(session.state.callId, session.state.localTag), session);
    into(this.byUser, session.user.id, session);
  }

  remove(session: Session): void {
    this.byToken.delete(session.token);
    outOf(this.byConnection, connectionKey(session.flow), session);
    outOf(this.byDialog, dialogKey(session.state.callId, session.state.localTag), session);
    outOf(this.byUser, session.user.id, session);
  }

  find(token: DialogToken): Session | undefined {
    return this.byToken.get(token);
  }

  /** The sessions on one connection of one life of an edge. */
  onConnection(edge: string, edgeStart: string, conid: number): readonly Session[] {
    return [...(this.byConnection.get(`${edge} ${edgeStart} ${conid}`) ?? [])];
  }

  /** The sessions of that Call-ID and tag of ours on one connection: clients started in the same second may share both. */
  ofDialog(connection: Connection, callId: string, localTag: string): readonly Session[] {
    const key = connectionKey(connection);
    const found = this.byDialog.get(dialogKey(callId, localTag)) ?? [];
    return [...found].filter(({ flow }) => connectionKey(flow) === key);
  }

  /** Ids of everybody who has a session here. */
  users(): number[] {
    return [...this.byUser.keys()];
  }

  ofUser(userId: number): readonly Session[] {
    return [...(this.byUser.get(userId) ?? [])];
  }

  /** The client came by another connection. */
  move(session: Session, flow: Flow): void {
    outOf(this.byConnection, connectionKey(session.flow), session);
    session.flow = flow;
    into(this.byConnection, connectionKey(flow), session);
  }
}

type Connection = Pick<Flow, "edge" | "edgeStart" | "conid">;

function connectionKey(flow: Connection): string {
  return `${flow.edge} ${flow.edgeStart} ${flow.conid}`;
}

function dialogKey(callId: string, localTag: string): string {
  return `${localTag} ${callId}`;
}

function into<K>(index: Map<K, Set<Session>>, key: K, session: Session): void {
  const sessions = index.get(key);
  if (sessions) sessions.add(session);
  else index.set(key, new Set([session]));
}

function outOf<K>(index: Map<K, Set<Session>>, key: K, session: Session): void {
  const sessions = index.get(key);
  if (!sessions) return;
  sessions.delete(session);
  if (sessions.size === 0) index.delete(key);
}
