import type { RoomKey } from "./ports.ts";

/** The two parts of `ma-chan://<domain>/<guid>`. */
export function roomKey(uri: string): RoomKey {
  const [, domain = "", guid = ""] = /^ma-chan:\/\/([^/]+)\/(.+)$/.exec(uri) ?? [];
  return { guid, domain };
}
