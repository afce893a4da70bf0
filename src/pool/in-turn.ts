import type { Session } from "../session.ts";

/**
 * Work on a session that waits for its turn, so nobody waits for a session that is busy. Asked for again before it has begun it is
 * done once; what failed is done again when `retry` is called.
 */
export class InTurn {
  private readonly work: (session: Session) => Promise<void>;
  private readonly onError: (error: unknown) => void;
  private readonly due = new Map<Session, "waiting" | "failed">();

  constructor(work: (session: Session) => Promise<void>, onError: (error: unknown) => void) {
    this.work = work;
    this.onError = onError;
  }

  /** A piece of work that begins after this call. */
  add(session: Session): void {
    if (this.due.get(session) === "waiting") return;
    this.due.set(session, "waiting");
    session
      .run(() => {
        this.due.delete(session);
        return this.work(session);
      })
      .catch((error: unknown) => {
        if (!this.due.has(session)) this.due.set(session, "failed");
        this.onError(error);
      });
  }

  retry(): void {
    for (const [session, state] of [...this.due]) if (state === "failed") this.add(session);
  }
}
