/** What the four witnesses of a run say: the clients' logs of what they asked for and got, the database, the copies received, and the archive files. */

/** One post as its client knows it. The text is unlike any other post's. */
export interface PostRecord {
  readonly text: string;
  readonly room: string;
  readonly author: string;
  /** Of the dialog it was sent in. */
  readonly token: string;
  readonly envid: number;
  /** What each attempt under the same (token, envid, seqid) was answered; "none" without an answer. */
  readonly answers: (number | "none")[];
  /** Monotonic, milliseconds: when the 200 came; undefined without one. */
  acknowledgedAt: number | undefined;
}

/** What a client, or the administrator, asked for besides posts, and what it was told. */
export interface ActRecord {
  /** LOGIN and SIGN_OFF: of the whole session, in no room. */
  readonly kind: "LOGIN" | "JOIN" | "PART" | "SIGN_OFF" | "BACKCHAT" | "SEARCH" | "ROLE_CHANGED";
  readonly room: string;
  readonly who: string;
  /** Digest of its dialog's token, as events bear it. */
  readonly session: string;
  /** How many messages were asked for; 0 where none are. */
  readonly limit: number;
  /** Text searched for, or the role given to whom; else "". */
  readonly text: string;
  /** What it was answered, in the end: by the INFO or by the reply; "none" without an answer. */
  answer: number | "none";
  /** What it was shown. */
  shown: readonly Omit<CopyRecord, "atMs">[];
}

/** One live copy or one line of history. */
export interface CopyRecord {
  readonly number: number;
  readonly text: string;
  readonly author: string;
  /** Monotonic, milliseconds. */
  readonly atMs: number;
}

/** One client in one room, from its first join to the end of the run. */
export interface Seat {
  readonly client: string;
  readonly room: string;
  /** Last number of the room when it joined: everything after it is due to it. */
  readonly after: number;
  /** Live copies in the order they came, one list for each connection it had. */
  readonly live: CopyRecord[][];
  /** What it read by bccontext after it had lost a connection. */
  readonly history: CopyRecord[];
}

export interface StoredMessage {
  readonly room: string;
  readonly number: number;
  readonly author: string;
  readonly text: string;
}

/** One `Message` element of the archive, in the order of its file. */
export interface ArchivedMessage {
  /** Path of the file, and which conversation of it. */
  readonly conversation: string;
  readonly room: string;
  readonly type: string;
  readonly number: number;
  readonly author: string;
  readonly text: string;
}

/** A folder of the adapter's. */
export interface DeliveredRun {
  readonly run: string;
  /** Of its manifest, which has those of its files; hexadecimal. */
  readonly sha256: string;
}

/** What the sealed log says of an event. */
export interface SealedEvent {
  readonly stream: string;
  readonly streamSeq: number;
  readonly kind: string;
  readonly room: string;
  readonly author: string;
  /** 0 and "" but for messages. */
  readonly number: number;
  readonly text: string;
  readonly session: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface RoomCounters {
  readonly room: string;
  readonly lastNumber: number;
  /** Events recorded in the room's own stream. */
  readonly lastEvent: number;
}

export interface Evidence {
  readonly posts: readonly PostRecord[];
  readonly seats: readonly Seat[];
  /** In the order in which they were asked for. */
  readonly acts: readonly ActRecord[];
  readonly stored: readonly StoredMessage[];
  readonly rooms: readonly RoomCounters[];
  /** Posts that the store keeps single, one for each (token, envid, seqid). */
  readonly postKeys: number;
  /** Events in the nodes' own streams, which are in the archive beside those of the rooms. */
  readonly readEvents: number;
  readonly archived: readonly ArchivedMessage[];
  readonly runs: readonly DeliveredRun[];
  readonly sealed: readonly SealedEvent[];
  /** How many events each stream has, as the chat counts them. */
  readonly recorded: ReadonlyMap<string, number>;
  /** What a comparison of chat and archive, of comings and goings, and a check of the whole log have to say; nothing when all is well. */
  readonly complaints: readonly string[];
  readonly quarantined: number;
}

/** What the failure at hand excuses; nothing unless said. */
export interface Excuses {
  /** A node died: copies that first came at or after this moment (monotonic, milliseconds) may come once more per takeover. */
  readonly repeatsFromMs?: number;
  readonly takeovers?: number;
  /** Connections broke: requests without an answer, and the rest by history. */
  readonly lostConnections?: boolean;
}
