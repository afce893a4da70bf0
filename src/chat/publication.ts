/** What a user keeps in the presence document for all computers of the own; one instance of one category. */
export interface PublicationKey {
  readonly category: string;
  readonly instance: number;
  readonly container: number;
}

export interface Publication extends PublicationKey {
  /** Rises by one with each change; whoever changes it names the version he knows. */
  readonly version: number;
  readonly expireType: string;
  readonly publishedMs: number;
  /** Markup as the client wrote it, complete in itself; null when it has been removed. */
  readonly content: string | null;
}

export interface PublicationChange extends PublicationKey {
  /** The version it replaces, 0 when there is none. */
  readonly version: number;
  readonly expireType: string;
  /** Null removes it. */
  readonly content: string | null;
}
