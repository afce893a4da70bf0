import type { InviteSettings } from "../kamailio/invite.ts";
import type { ChatLimits, PoolIdentity } from "../src/commands/context.ts";
import type { SettingStore } from "../src/management/ports.ts";
import { Settings } from "../src/pool/settings.ts";
import type { Logger } from "../src/telemetry.ts";
import { formatCategoryUri } from "../src/xccos/uri.ts";
import type { Config } from "./config.ts";

/** RFC 4028 §5 */
const LEAST_SESSION_EXPIRES_MS = 90_000;

/** The settings of this node; whoever keeps something that follows from one of them is told when it changes. */
export function makeSettings(
  store: SettingStore,
  config: Config,
  log: Logger,
  onParticipantUpdateLimit: () => void,
): Settings {
  const sessionExpiresMs = config.chat["session-expires"];
  if (sessionExpiresMs < LEAST_SESSION_EXPIRES_MS)
    log.warn({ sessionExpiresMs }, "session-expires is below the 90 s of RFC 4028");
  return new Settings(store, config.chat, (changed) => {
    log.info({ settings: changed }, "changed at run time");
    if (changed["participant-update-limit"] !== undefined) onParticipantUpdateLimit();
  });
}

/** Limits of the chat as they are when they are asked for. */
export function chatLimits(settings: Settings, maxReplyBytes: () => number): ChatLimits {
  return {
    get messageBytes() {
      return settings.now["max-message"];
    },
    get storyBytes() {
      return settings.now["max-story"];
    },
    get searchLimit() {
      return settings.now["search-limit"];
    },
    get defaultChatHistory() {
      return settings.now["default-chat-history"];
    },
    maxChatHistory: 500,
    maxReplyBytes,
  };
}

/** What this pool says of itself. */
export function poolIdentity(config: Config, settings: Settings, storeId: string): PoolIdentity {
  return {
    domain: config.domain,
    poolUri: config["pool-uri"],
    displayName: config.chat["display-name"],
    rootCategoryUri: formatCategoryUri(config.domain, "root"),
    get roomManagementUrl() {
      return settings.now["room-management-url"] || undefined;
    },
    storeId,
  };
}

/** What clients are told when they sign on. */
export function inviteSettings(config: Config, settings: Settings): InviteSettings {
  return {
    poolUri: config["pool-uri"],
    get webManagerUrl() {
      return settings.now["room-management-url"] || undefined;
    },
    sessionExpires: Math.round(config.chat["session-expires"] / 1_000),
  };
}
