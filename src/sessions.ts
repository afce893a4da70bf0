import type { Session } from "./session.ts";
import type { DialogToken, Flow } from "./sip/dialog.ts";

/** All sessions whose home is this node, by what requests and events know of them. No search walks a list. */
export class Sessions {
  private readonly byToken = new Map<DialogToken, Session>();
  private readonly byConnection = new Map<string, Set<Session>>();
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
    into(this.byUser, session.user.id, session);
  }

  remove(session: Session): void {
    this.byToken.delete(session.token);
    outOf(this.byConnection, connectionKey(session.flow), session);
    outOf(this.byUser, session.user.id, session);
  }

  find(token: DialogToken): Session | undefined {
    return this.byToken.get(token);
  }

  /** The sessions on one connection of one life of an edge. */
  onConnection(edge: string, edgeStart: string, conid: number): readonly Session[] {
    return [...(this.byConnection.get(`${edge} ${edgeStart} ${conid}`) ?? [])];
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

function connectionKey(flow: Flow): string {
  return `${flow.edge} ${flow.edgeStart} ${flow.conid}`;
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
