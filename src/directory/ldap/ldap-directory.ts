import { readFileSync } from "node:fs";
import { connect as tcpConnect } from "node:net";
import { connect as tlsConnect } from "node:tls";
import { Client, type Entry, ResultCodeError } from "ldapts";
import { type DirectorySource, DirectoryTrouble, type EntryReceiver } from "../ports.ts";
import { groupId, remainingRange, textOf, valuesOf } from "./entry-values.ts";

export interface LdapSettings {
  /** `ldap://host:port` or `ldaps://host:port`. */
  readonly url: string;
  /** PEM file of the authorities that may have signed the server's certificate; the system's own unless given. */
  readonly caFile?: string | undefined;
  /** Without: anonymous. */
  readonly bind?: { readonly dn: string; readonly password: string } | undefined;
  readonly users: { readonly baseDn: string; readonly filter: string };
  readonly groups: { readonly baseDn: string; readonly filter: string };
  /** Names of attributes. */
  readonly attributes: {
    readonly sip: string;
    readonly name: string;
    readonly mail: string;
    readonly groupName: string;
    readonly members: readonly string[];
    readonly memberOf?: string | undefined;
    readonly id: string;
  };
  readonly pageSize: number;
  readonly connectTimeoutMs: number;
  /** For one answer. */
  readonly timeoutMs: number;
}

/** Values of one group; Active Directory gives 1,500 at a time. */
const MOST_RANGES = 2_000;

/**
 * An LDAP directory (RFC 4511), read in pages (RFC 2696). References to other servers are not followed. Aliases are not either.
 */
export class LdapDirectory implements DirectorySource {
  readonly #settings: LdapSettings;

  constructor(settings: LdapSettings) {
    this.#settings = settings;
  }

  async read(entries: EntryReceiver, signal: AbortSignal): Promise<void> {
    const { bind, users, groups, attributes: names } = this.#settings;
    const client = this.#client();
    const abort = () => void client.unbind().catch(() => {}); // whatever is under way fails then
    signal.addEventListener("abort", abort, { once: true });
    try {
      signal.throwIfAborted();
      if (bind) await client.bind(bind.dn, bind.password);
      const memberOf = names.memberOf === undefined ? [] : [names.memberOf];
      const groupNames = [names.id, names.groupName, ...names.members, ...memberOf];
      for await (const entry of this.#search(client, groups, groupNames)) {
        const members: string[] = [];
        for (const name of names.members) members.push(...(await this.#allValues(client, entry, name)));
        entries.group({
          dn: entry.dn,
          id: groupId(entry, names.id),
          name: textOf(entry, names.groupName),
          members,
          memberOf: memberOf.flatMap((name) => valuesOf(entry, name)),
        });
      }
      for await (const entry of this.#search(client, users, [names.sip, names.name, names.mail, ...memberOf]))
        entries.user({
          dn: entry.dn,
          addresses: valuesOf(entry, names.sip),
          displayName: textOf(entry, names.name),
          email: textOf(entry, names.mail),
          memberOf: memberOf.flatMap((name) => valuesOf(entry, name)),
        });
    } catch (error) {
      throw error instanceof DirectoryTrouble
        ? error
        : new DirectoryTrouble(explain(error, this.#settings), { cause: error });
    } finally {
      signal.removeEventListener("abort", abort);
      await client.unbind().catch(() => {}); // it is over either way
    }
  }

  #client(): Client {
    const { url, caFile, connectTimeoutMs, timeoutMs } = this.#settings;
    // The library would connect anew, without name and password, and what is shown to nobody looks like everything there is.
    let connected = false;
    const once = () => {
      if (connected) throw new Error("the connection was lost");
      connected = true;
    };
    return new Client({
      url,
      connectTimeout: connectTimeoutMs,
      timeout: timeoutMs,
      ...(caFile === undefined ? {} : { tlsOptions: { ca: readCa(caFile) } }),
      createConnection: ((...args: Parameters<typeof tcpConnect>) => {
        once();
        return tcpConnect(...args);
      }) as typeof tcpConnect, // all overloads alike
      createSecureConnection: ((...args: Parameters<typeof tlsConnect>) => {
        once();
        return tlsConnect(...args);
      }) as typeof tlsConnect, // all overloads alike
    });
  }

  async *#search(
    client: Client,
    { baseDn, filter }: LdapSettings["users"],
    attributes: readonly string[],
  ): AsyncGenerator<Entry> {
    const pages = client.searchPaginated(baseDn, {
      scope: "sub",
      derefAliases: "never",
      filter,
      attributes: [...new Set(attributes)],
      explicitBufferAttributes: [this.#settings.attributes.id],
      paged: { pageSize: this.#settings.pageSize },
    });
    for await (const { searchEntries } of pages) yield* searchEntries;
  }

  /** Active Directory gives the values of a large attribute in portions, under names such as `member;range=0-1499`. */
  async #allValues(client: Client, entry: Entry, name: string): Promise<string[]> {
    const values = valuesOf(entry, name);
    let rest = remainingRange(entry, name);
    for (let portions = 0; rest !== undefined; portions++) {
      values.push(...rest.values);
      if (rest.next === undefined) break;
      if (portions === MOST_RANGES)
        throw new DirectoryTrouble(`${name} of ${entry.dn} does not come to an end`);
      const asked = `${name};range=${rest.next}-*`;
      const found = await client.search(entry.dn, { scope: "base", attributes: [asked] });
      const [more] = found.searchEntries;
      rest = more && remainingRange(more, name);
      if (rest === undefined) throw new DirectoryTrouble(`${name} of ${entry.dn} ends in the middle`);
    }
    return values;
  }
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new DirectoryTrouble(`directory.ca-file: ${file} cannot be read`, { cause });
  }
}

/** One sentence, without the password: the library never puts it into its messages. */
function explain(error: unknown, { url, bind, users, groups }: LdapSettings): string {
  const code = error instanceof ResultCodeError ? error.code : undefined; // RFC 4511, appendix A
  if (code === 32)
    return `${url} has no entry ${users.baseDn}, or none ${groups.baseDn} (users-base-dn, groups-base-dn), or does not show it`;
  if (code === 49)
    return `${url} does not accept the name or the password (bind-dn ${bind?.dn ?? "none"}, password-file)`;
  const message = error instanceof Error ? error.message : String(error);
  return `${url} could not be read: ${message.replace(/[\p{Cc}\s]+/gu, " ").slice(0, 200)}`;
}
