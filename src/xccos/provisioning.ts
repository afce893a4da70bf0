import { element, escapeText } from "./xml-writer.ts";

/** Content-Type of the document, and of the SUBSCRIBE that asks for it. */
export const PROVISIONING_CONTENT_TYPE = "application/vnd-microsoft-roaming-provisioning-v2+xml";

/** Event package of the SUBSCRIBE. */
export const PROVISIONING_EVENT = "vnd-microsoft-provisioning-v2";

const NAMESPACE = "http://schemas.microsoft.com/2006/09/sip/provisiongrouplist-notification";

/** What a client is told about persistent chat when it signs on ([MS-SIPREGE] §2.2.2.5.11). */
export interface Provisioning {
  readonly enabled: boolean;
  /** With scheme: `sip:pchat@example.com`. */
  readonly poolUri: string;
  /** All pools, when there are more. */
  readonly poolUris?: readonly string[] | undefined;
  /** Room management page for clients inside and outside. */
  readonly webManagerUrl?: string | undefined;
}

/**
 * The `provisionGroupList` with its persistent chat group only.
 *
 * COMPAT(SIPE, 1.25): a ServerConfiguration group would start its conference and media set-up, and every
 * further copy of this document opens a new lookup dialog: send it once per sign-on.
 */
export function encodeProvisioning(provisioning: Provisioning): string {
  const properties: readonly [string, string | undefined][] = [
    // COMPAT(SIPE, 1.25): only "true" in exactly this spelling enables chat.
    ["EnablePersistentChat", provisioning.enabled ? "true" : "false"],
    ["DefaultPersistentChatPoolUri", provisioning.poolUri],
    ["PersistentChatPoolUris", provisioning.poolUris?.join(" ")],
    ["PersistentChatWebManagerUriInt", provisioning.webManagerUrl],
    ["PersistentChatWebManagerUriExt", provisioning.webManagerUrl],
  ];
  let entries = "";
  for (const [name, value] of properties) {
    if (value !== undefined) entries += element("property", { name }, escapeText(value));
  }
  const group = element(
    "provisionGroup",
    { name: "persistentChatConfiguration" },
    element("propertyEntryList", {}, entries),
  );
  return element("provisionGroupList", { xmlns: NAMESPACE }, group);
}
