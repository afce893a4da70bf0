/** What reading a directory needs of the outside world, in its own words. */

/** A person's entry, as it was found. */
export interface UserEntry {
  readonly dn: string;
  /** Whatever stands where the SIP address should. */
  readonly addresses: readonly string[];
  readonly displayName: string | undefined;
  readonly email: string | undefined;
  /** Names of groups, where the directory keeps them with the member. */
  readonly memberOf: readonly string[];
}

/** A group's entry, as it was found. */
export interface GroupEntry {
  readonly dn: string;
  /** Never given to another entry, and kept when this one is renamed. */
  readonly id: string | undefined;
  readonly name: string | undefined;
  /** Names of the entries in it. */
  readonly members: readonly string[];
  readonly memberOf: readonly string[];
}

/** A directory that can be read. Everything thrown means: not wholly read, so nothing may follow from it. */
export interface DirectorySource {
  /** @throws {DirectoryTrouble} */
  read(entries: EntryReceiver, signal: AbortSignal): Promise<void>;
}

/** Takes entries page by page. @throws {DirectoryTrouble} when there are too many */
export interface EntryReceiver {
  user(entry: UserEntry): void;
  group(entry: GroupEntry): void;
}

/** Why a directory could not be read: a sentence for the operator, without any secret. */
export class DirectoryTrouble extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "DirectoryTrouble";
  }
}

/** More would go than may go without somebody having said so. */
export class TooManyRemovals extends DirectoryTrouble {
  constructor(lost: number, before: number, percent: number) {
    super(
      `the directory would take ${lost} of ${before} memberships away, more than max-removal (${percent} %): ` +
        'nothing was changed; if it is right, "parlance group sync --force" does it',
    );
    this.name = "TooManyRemovals";
  }
}

export interface DirectoryUser {
  /** An address of record of a served domain. */
  readonly uri: string;
  readonly displayName: string | undefined;
  readonly email: string | undefined;
}

export interface DirectoryGroup {
  /** `ma-grp:` and the entry's id. */
  readonly uri: string;
  readonly dn: string;
  readonly displayName: string;
  /** Addresses of users and groups of the same snapshot. */
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

/** Entries that say nothing here. */
export interface LeftOut {
  /** Without an address, or with one that is none. */
  readonly withoutAddress: number;
  /** Of domains that are not served. */
  readonly foreign: number;
  /** Addresses that several entries have: nobody knows whose they are. */
  readonly ambiguous: readonly string[];
  /** Groups without an id, or with another one's, and names that are none. */
  readonly broken: number;
  /** Members that are no user and no group here. */
  readonly strangers: number;
}

/** All that a directory says of groups, at one time. */
export interface DirectorySnapshot {
  readonly users: readonly DirectoryUser[];
  readonly groups: readonly DirectoryGroup[];
  readonly leftOut: LeftOut;
}

/** Proof of being the one who reads the directory now. */
export interface Turn {
  readonly holder: string;
  readonly epoch: number;
  /** Why the last reading failed; empty when it was good. */
  readonly trouble: string;
}

/** What a reading changed, or would have. */
export interface DirectoryChange {
  readonly usersCreated: number;
  readonly usersChanged: number;
  readonly groupsAdded: number;
  /** No longer in the directory; their names stay in the lists that name them. */
  readonly groupsGone: number;
  readonly gained: number;
  readonly lost: number;
  /** Memberships before, those by way of other groups counted too. */
  readonly before: number;
  readonly rooms: number;
}

export interface ApplyOptions {
  /** Users that nobody knows yet come into being, under the global policy. */
  readonly createUsers: boolean;
  /** Of all memberships, in percent. */
  readonly maxRemoval: number;
  /** Whatever goes. */
  readonly force?: boolean;
  /** Says what would be, and changes nothing. */
  readonly dryRun?: boolean;
  /** What is counted, how much is done, and how much there is where that is known. */
  readonly onProgress?: (what: string, done: number, all?: number) => void;
}

/** Where the directory's word is kept. */
export interface DirectoryStore {
  servedDomains(): Promise<ReadonlySet<string>>;
  /** @returns undefined while another one reads, or (unless `atOnce`) the next reading is not due. */
  takeTurn(holder: string, leaseMs: number, atOnce?: boolean): Promise<Turn | undefined>;
  /** @returns false when another one has the turn now: stop. */
  renewTurn(turn: Turn, leaseMs: number): Promise<boolean>;
  /** The next reading is due after `waitMs`; `trouble` is empty after a good one. */
  endTurn(turn: Turn, waitMs: number, trouble: string): Promise<void>;
  /**
   * Makes the groups of the directory what the snapshot says, all or nothing.
   * @param turn undefined for a dry run only
   * @throws {TooManyRemovals} @throws {DirectoryTrouble} when the turn is another one's
   */
  apply(turn: Turn | undefined, snapshot: DirectorySnapshot, options: ApplyOptions): Promise<DirectoryChange>;
}
