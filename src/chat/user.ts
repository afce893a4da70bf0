/** A SIP address of record, lower case, without parameters or port: `sip:alice@example.com`. */
export type Aor = string & { readonly __brand: "Aor" };

/** A person who may take part. Groups and domains are principals too, but never take part themselves. */
export interface User {
  readonly id: number;
  readonly uri: Aor;
  readonly displayName: string;
  readonly email: string | null;
  /** Resolved policy: the user's own, else the global one (`EnablePersistentChat`, false unless an administrator says otherwise). */
  readonly enabled: boolean;
  /** Resolved policy: may create rooms where a category makes the user a creator. On unless an administrator says otherwise. */
  readonly mayCreateRooms: boolean;
  /** Persistent chat administrator: the user's own, or by a group. */
  readonly administrator: boolean;
  /** The user's own principal id and those of every group and domain that contains the user. */
  readonly principalIds: readonly number[];
}
