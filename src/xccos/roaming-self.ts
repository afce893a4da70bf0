import { presenceNames } from "./names.ts";
import { element } from "./xml-writer.ts";

/** Event package of a user's own presence document, and Content-Type of what it tells ([MS-PRES] §2.2.2.1). */
export const SELF_EVENT = "vnd-microsoft-roaming-self";
export const SELF_CONTENT_TYPE = "application/vnd-microsoft-roaming-self+xml";
/** Content-Type of a refused publication ([MS-PRES] §2.2.2.10.4). */
export const FAULT_CONTENT_TYPE = "application/msrtc-fault+xml";

const SELF_NAMESPACE = "http://schemas.microsoft.com/2006/09/sip/roaming-self";
const CATEGORIES_NAMESPACE = "http://schemas.microsoft.com/2006/09/sip/categories";

/** An instance of a category as the document tells it. */
export interface WireCategory {
  readonly category: string;
  readonly instance: number;
  readonly container: number;
  readonly version: number;
  readonly expireType: string;
  readonly publishedMs: number;
  /** Markup, complete in itself; null for one that has been removed. */
  readonly content: string | null;
}

/** `roamingData` with the categories of one user. @param uri of the user, `sip:alice@example.com` */
export function encodeRoamingData(uri: string, categories: readonly WireCategory[]): string {
  const list = categories.map((one) =>
    element(
      "category",
      {
        name: one.category,
        instance: one.instance,
        publishTime: new Date(one.publishedMs).toISOString().slice(0, -1),
        container: one.container,
        version: one.version,
        expireType: one.expireType,
        [presenceNames.expires]: one.content === null ? 0 : undefined,
      },
      one.content ?? "",
    ),
  );
  const inner = element("categories", { xmlns: CATEGORIES_NAMESPACE, uri }, list.join(""));
  return element("roamingData", { xmlns: SELF_NAMESPACE }, inner);
}

/** Why a publication was refused: for each conflict the version that the client named and the one that stands, 0 for none. */
export function encodeVersionFault(
  conflicts: readonly { readonly index: number; readonly version: number; readonly current: number }[],
): string {
  const operations = conflicts.map(({ index, version, current }) =>
    element("operation", { index, version, curVersion: current }),
  );
  return element(
    "Fault",
    {},
    element("Faultcode", {}, "Client.BadCall.WrongDelta") + element("details", {}, operations.join("")),
  );
}
