/** What the demonstration needs from the administrator's side of the running system. */
export interface DemoSetup {
  /** Makes the user known and allows persistent chat for this user only. Repeating it changes nothing. */
  allowUser(user: { readonly uri: string; readonly displayName: string }): Promise<void>;
  /** Makes the room, or finds the one of this name, and returns its `ma-chan://` URI. */
  ensureRoom(room: DemoRoomPlan): Promise<string>;
  close(): Promise<void>;
}

export interface DemoRoomPlan {
  readonly name: string;
  readonly description: string;
  readonly privacy: "open" | "closed";
  /** SIP addresses. */
  readonly members: readonly string[];
  readonly managers: readonly string[];
}
