import type { Room } from "../chat/room.ts";
import type { User } from "../chat/user.ts";
import type { ModerationNotices } from "../delivery/moderation-notices.ts";
import type { Changed, ChangeStore } from "../management/ports.ts";
import { OneAfterAnother } from "./one-after-another.ts";
import type { RightsReview } from "./rights-review.ts";
import type { Settings } from "./settings.ts";

/** Rows read in one step. */
const STEP = 1_000;
/** Many times the life of a lease, so that clocks of two nodes may differ. */
const LATELY_MS = 120_000;

/**
 * Follows what is administered anywhere in the pool: one number tells whether there is anything to look at. Asked at once by who
 * hears of a change, and twice a second in any case.
 */
export class Changes {
  private readonly store: ChangeStore;
  private readonly review: RightsReview;
  private readonly moderation: Pick<ModerationNotices, "tell">;
  private readonly settings: Pick<Settings, "read">;
  private readonly looking = new OneAfterAnother<"all">(() => this.follow());
  private seen = Number.POSITIVE_INFINITY;

  constructor(
    store: ChangeStore,
    review: RightsReview,
    moderation: Pick<ModerationNotices, "tell">,
    settings: Pick<Settings, "read">,
  ) {
    this.store = store;
    this.review = review;
    this.moderation = moderation;
    this.settings = settings;
  }

  /** What was before is in whatever is read from now on. */
  async start(): Promise<void> {
    this.seen = await this.store.latest();
    await this.settings.read();
  }

  /** Returns when everything that was committed before the call has been applied here. */
  look(): Promise<void> {
    return this.looking.run("all");
  }

  /** What may have been taken away since a node that died last looked: it lived until its lease lapsed, at most. */
  async lately(): Promise<(room: Room, user: User) => boolean> {
    const changed = await this.store.recent(LATELY_MS, STEP);
    if (changed.length === STEP || changed.some(({ kind }) => kind === "everybody")) return () => true;
    const keys = new Set(changed.map((one) => ("id" in one ? `${one.kind} ${one.id}` : one.kind)));
    return (room, user) =>
      keys.has(`room ${room.id}`) || keys.has(`category ${room.categoryId}`) || keys.has(`user ${user.id}`);
  }

  private async follow(): Promise<void> {
    if (this.seen === Number.POSITIVE_INFINITY) return; // not started
    for (;;) {
      const rows = await this.store.since(this.seen, STEP);
      const last = rows.at(-1);
      if (!last) return;
      // The last version may be cut off. One that alone fills a step is a matter of everybody's.
      const cut = rows.length === STEP;
      const whole = cut ? rows.filter(({ version }) => version < last.version) : rows;
      const seen = whole.at(-1)?.version ?? last.version;
      if (whole.length > 0) for (const changed of distinct(whole)) await this.apply(changed, seen);
      else await this.review.everybody();
      this.seen = seen;
    }
  }

  private apply(changed: Changed, upTo: number): Promise<void> {
    switch (changed.kind) {
      case "room":
        return this.review.room(changed.id);
      case "category":
        return this.review.category(changed.id);
      case "user":
        return this.review.user(changed.id);
      case "messages":
        return this.moderation.tell(changed.id, { after: this.seen, upTo });
      case "everybody":
        return this.review.everybody();
      case "settings":
        return this.settings.read();
      default:
        return changed satisfies never;
    }
  }
}

/** Users first: a room is reviewed by what is known of those who are in it. */
function distinct(rows: readonly { readonly changed: Changed }[]): Changed[] {
  const found = [...new Map(rows.map(({ changed }) => [JSON.stringify(changed), changed])).values()];
  const isUser = ({ kind }: Changed) => kind === "user";
  return [...found.filter(isUser), ...found.filter((changed) => !isUser(changed))];
}
