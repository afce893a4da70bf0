/** Who can stand in a list: a user, a group of the directory, or everybody of a domain. */
export type PrincipalKind = "user" | "group" | "domain";

export interface Principal {
  readonly id: number;
  /** `sip:alice@example.com`, `ma-grp:4711`, `example.com`; all but groups in lower case. */
  readonly uri: string;
  readonly kind: PrincipalKind;
  readonly displayName: string;
}

/** What a room's lists make of a principal. Lync calls a presenter "Voiced" in its tables. */
export const ROLES = ["member", "manager", "presenter"] as const;
export type Role = (typeof ROLES)[number];

/** What a category's lists make of a principal. */
export const SCOPES = ["allowed", "denied", "creator"] as const;
export type ScopeWord = (typeof SCOPES)[number];

/** Denied wins over allowed, whatever of the principal (itself, a group, the domain) either was said of. */
export function isInScope(words: ReadonlySet<ScopeWord>): boolean {
  return words.has("allowed") && !words.has("denied");
}
