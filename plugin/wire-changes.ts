import type { Envids } from "../src/delivery/envids.ts";
import { ModerationNotices } from "../src/delivery/moderation-notices.ts";
import { RoomNotices } from "../src/delivery/room-notices.ts";
import type { ChangeStore } from "../src/management/ports.ts";
import { Changes } from "../src/pool/changes.ts";
import { type ReviewPorts, RightsReview } from "../src/pool/rights-review.ts";
import type { Settings } from "../src/pool/settings.ts";
import type { MessageStore, SipSender } from "../src/ports.ts";

type Ports = Omit<ReviewPorts, "notices"> & {
  readonly store: ChangeStore;
  readonly messages: Pick<MessageStore, "range" | "moderated" | "clearedTo">;
  readonly sender: SipSender;
  readonly envids: Envids;
  readonly settings: Settings;
};

export interface Following {
  readonly review: RightsReview;
  readonly changes: Changes;
  /** Something was administered on this node. */
  readonly tell: () => void;
}

/** What is administered anywhere acts here at once: by word of the node that did it, and by looking. */
export function followChanges({ store, messages, sender, envids, settings, ...ports }: Ports): Following {
  const { bus, onError } = ports;
  const review = new RightsReview({ ...ports, notices: new RoomNotices(sender, envids) });
  const moderation = new ModerationNotices({ messages, fanout: ports.fanout, sender, envids });
  const changes = new Changes(store, review, moderation, settings);
  const look = () => void changes.look().catch((error: unknown) => onError(error, "following changes"));
  bus.onMessage(({ kind }) => {
    if (kind === "changed") look();
  });
  return {
    review,
    changes,
    tell: () => {
      bus.publish({ kind: "changed" });
      look();
    },
  };
}
