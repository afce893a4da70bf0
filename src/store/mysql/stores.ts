import { randomUUID } from "node:crypto";
import { openManagement } from "../../management/management.ts";
import type { ComplianceWaker } from "../../ports.ts";
import type { Incarnation } from "../../sip/dialog.ts";
import { openAdministration } from "./administration.ts";
import { Database } from "./database.ts";
import { MysqlDialogStore } from "./dialog-store.ts";
import { MysqlDirectoryStore } from "./directory-store.ts";
import { exportSource } from "./export-source.ts";
import { importStore } from "./import-store.ts";
import { MysqlInvitationStore } from "./invitation-store.ts";
import { MysqlJournal } from "./journal.ts";
import { MysqlLeaseStore } from "./lease-store.ts";
import { finishLeft, type TellProgress } from "./management-afterwards.ts";
import type { Recorded } from "./management-records.ts";
import { MysqlManagementStore } from "./management-store.ts";
import { MysqlMessageStore } from "./message-store.ts";
import { requireSchema } from "./migrate.ts";
import { NodeRecords } from "./node-records.ts";
import { MysqlPreferenceStore } from "./preference-store.ts";
import { MysqlProgressStore } from "./progress-store.ts";
import { MysqlPublicationStore } from "./publication-store.ts";
import { MysqlReadMarkStore } from "./read-mark-store.ts";
import { MysqlRoomStore } from "./room-store.ts";
import { SearchIndexer } from "./search-indexer.ts";
import { MysqlHistorySearch } from "./search-store.ts";
import { SearchTail } from "./search-tail.ts";
import { sweep } from "./sweep.ts";
import { MysqlUserStore } from "./user-store.ts";

export interface StoresOptions {
  /** `mysql://user:password@host:port/database`; never logged. */
  readonly url: string;
  /** The domain served here: rooms get it unless another is given, and its users can be named by it. */
  readonly domain: string;
  /** Off: nothing is recorded for the archive, at no cost. */
  readonly compliance: boolean;
  readonly waker?: ComplianceWaker;
  /** Another node has taken over an incarnation whose journal is open here. */
  readonly onSuperseded?: (incarnation: Incarnation) => void;
  /** As recorded with what is administered here. */
  readonly node?: string;
  /** Who administers at the command line, as recorded. */
  readonly administrator?: string;
  /** What is administered here is undone in the end. */
  readonly rehearsal?: boolean;
  /** Something was administered here and is committed. */
  readonly onChanged?: () => void;
  /** What a change by `administration` records; also of a rehearsal, and while nothing goes to the archive. */
  readonly onRecorded?: (facts: readonly Recorded[]) => void;
  /** How far a change is that takes long. */
  readonly onProgress?: TellProgress;
  /** Invitations behind a change could not be written; a node will do it. */
  readonly onUnfinished?: (error: unknown) => void;
  /** Connections of the pool; each journal has one more. */
  readonly connections?: number;
  /** Wall clock, milliseconds. */
  readonly nowMs?: () => number;
}

/**
 * Opens everything that lives in MySQL or MariaDB; the schema must be there (`migrate`).
 * @throws {SchemaError} when it is not, or is another version's
 * @throws {ChatError | StoreError} when the database cannot be reached
 */
export async function openStores(options: StoresOptions) {
  const { url, domain, compliance, waker, onSuperseded, connections, nowMs = Date.now } = options;
  const { node = "administration", administrator, onChanged, onRecorded, onProgress, onUnfinished } = options;
  const { rehearsal = false } = options;
  await requireSchema(url);
  const database = new Database({ url, ...(connections === undefined ? {} : { connections }) });
  const journals: MysqlJournal[] = [];
  const searchTail = new SearchTail();
  try {
    const recording = {
      compliance,
      node,
      nowMs,
      rehearsal,
      ...(waker ? { waker } : {}),
      ...(onChanged ? { onChanged } : {}),
      ...(onProgress ? { onProgress } : {}),
      ...(onUnfinished ? { onUnfinished } : {}),
    };
    const administration = openAdministration(database, domain, {
      ...recording,
      ...(onRecorded ? { onRecorded } : {}),
      ...(administrator === undefined ? {} : { administrator }),
    });
    const changes = new MysqlManagementStore(database, recording);
    const rooms = new MysqlRoomStore(database);
    // What the configuration says is nobody's doing here: it is not recorded, and not undone in a rehearsal.
    const configured = { ...recording, compliance: false, rehearsal: false };
    await openAdministration(database, domain, configured).addDomainPrincipal(domain);
    return {
      database,
      servedDomain: domain,
      users: new MysqlUserStore(database),
      rooms,
      messages: new MysqlMessageStore(database),
      search: new MysqlHistorySearch(database, searchTail),
      searchTail,
      indexer: new SearchIndexer(database, searchTail),
      dialogs: new MysqlDialogStore(database),
      leases: new MysqlLeaseStore(
        database,
        new NodeRecords({ compliance, nowMs, ...(waker ? { waker } : {}) }),
      ),
      progress: new MysqlProgressStore(database),
      preferences: new MysqlPreferenceStore(database),
      invitations: new MysqlInvitationStore(database),
      readMarks: new MysqlReadMarkStore(database),
      publications: new MysqlPublicationStore(database, nowMs),
      administration,
      management: openManagement({ store: changes, rooms, servedDomain: domain }),
      changes,
      directory: new MysqlDirectoryStore(database, changes),
      exported: exportSource(database, changes),
      imports: importStore(database, changes, nowMs),
      /** A GUID that was made with the database: another one means that what a client keeps is of another store. */
      storeId: await storeId(database),
      /** One per incarnation; closed with the stores. */
      journal: (incarnation: Incarnation): MysqlJournal => {
        const journal = new MysqlJournal({
          url,
          incarnation,
          compliance,
          nowMs,
          ...(waker ? { waker } : {}),
          ...(onSuperseded ? { onSuperseded: () => onSuperseded(incarnation) } : {}),
        });
        journals.push(journal);
        return journal;
      },
      /** Removes what has had its time; to be called every few minutes. @returns rows removed */
      sweep: (): Promise<number> => sweep(database, nowMs()),
      /** Invitations that somebody left behind; to be called every few seconds. @returns pieces of work done */
      finishInvitations: (): Promise<number> => finishLeft(database),
      close: async (): Promise<void> => {
        await Promise.all(journals.map((journal) => journal.close()));
        await database.close();
      },
    };
  } catch (error) {
    await database.close();
    throw error;
  }
}

export type Stores = Awaited<ReturnType<typeof openStores>>;

async function storeId(database: Database): Promise<string> {
  await database.change(
    "INSERT INTO setting (name, value) VALUES ('store-id', ?) ON DUPLICATE KEY UPDATE name = setting.name",
    [randomUUID()],
  );
  const [row] = await database.rows<{ value: string }>("SELECT value FROM setting WHERE name = 'store-id'");
  return row?.value ?? "";
}
