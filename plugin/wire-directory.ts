import { LdapDirectory, type LdapSettings } from "../src/directory/ldap/ldap-directory.ts";
import { TooManyRemovals } from "../src/directory/ports.ts";
import {
  DirectoryRefresher,
  type RefreshPorts,
  type RefreshResult,
  type RefreshSettings,
} from "../src/directory/refresher.ts";
import type { Stores } from "../src/store/mysql/stores.ts";
import type { Logger, Metrics } from "../src/telemetry.ts";
import type { Config } from "./config.ts";

/** Addresses shown in one line of the log. */
const SHOWN = 5;

/** @returns undefined while the directory is off */
export function directoryOf(
  config: Config,
  { directory: store }: Pick<Stores, "directory">,
  holder: string,
): { ports: RefreshPorts; settings: RefreshSettings } | undefined {
  const { directory } = config;
  const ldap = ldapSettings(config);
  if (!directory.enabled || !ldap) return undefined;
  return {
    ports: { source: new LdapDirectory(ldap), store, holder },
    settings: {
      intervalMs: directory["refresh-interval"],
      createUsers: directory["create-users"],
      maxRemoval: directory["max-removal"],
    },
  };
}

/** Reads the directory at intervals while it is on and this node may speak. */
export function startDirectory(
  config: Config,
  stores: Pick<Stores, "directory">,
  parts: { holder: string; maySpeak: () => boolean; log: Logger; metrics: Metrics; onError: OnError },
): { stop: () => Promise<void> } {
  const { holder, maySpeak, log, metrics, onError } = parts;
  const directory = directoryOf(config, stores, holder);
  if (!directory) return { stop: () => Promise.resolve() };
  const readings = metrics.directoryReadings;
  const refresher = new DirectoryRefresher(
    directory.ports,
    directory.settings,
    {
      done: (result, recovered) => {
        readings.inc({ outcome: "done" });
        const { gained, lost, usersCreated, groupsAdded, groupsGone } = result.change;
        const news = gained + lost + usersCreated + groupsAdded + groupsGone > 0;
        if (news || recovered) log.info({ ...summaryOf(result), recovered }, "read the directory");
        else log.debug(summaryOf(result), "read the directory");
      },
      failed: (trouble, isNew) => {
        const refused = trouble instanceof TooManyRemovals;
        readings.inc({ outcome: refused ? "refused" : "failed" });
        if (!isNew) return;
        if (refused) log.error({ why: trouble.message }, "the directory is not believed");
        else log.warn({ why: trouble.message }, "the directory is away: groups stay as they were");
      },
      error: (error) => onError(error, "reading the directory"),
    },
    maySpeak,
  );
  if (/^ldap:/.test(config.directory.url ?? "") && config.directoryPassword !== undefined)
    log.warn(
      { url: config.directory.url },
      "the directory's password travels in the clear: ldaps:// hides it",
    );
  refresher.start();
  return { stop: () => refresher.stop() };
}

type OnError = (error: unknown, what: string) => void;

/** Counts, and the first of the addresses that somebody has to put in order. */
export function summaryOf({ change, leftOut, users, groups }: RefreshResult) {
  const { ambiguous, ...counts } = leftOut;
  return {
    users,
    groups,
    ...change,
    ...counts,
    ambiguous: ambiguous.length,
    ...(ambiguous.length > 0 ? { ambiguousSuchAs: ambiguous.slice(0, SHOWN).join(" ") } : {}),
  };
}

function ldapSettings(config: Config): LdapSettings | undefined {
  const { directory, directoryPassword, directoryCaFile } = config;
  const { url, "users-base-dn": usersBase, "groups-base-dn": groupsBase, "bind-dn": bindDn } = directory;
  if (url === undefined || usersBase === undefined || groupsBase === undefined) return undefined;
  return {
    url,
    caFile: directoryCaFile,
    bind:
      bindDn === undefined || directoryPassword === undefined
        ? undefined
        : { dn: bindDn, password: directoryPassword },
    users: { baseDn: usersBase, filter: directory["users-filter"] },
    groups: { baseDn: groupsBase, filter: directory["groups-filter"] },
    attributes: {
      sip: directory["sip-attribute"],
      name: directory["name-attribute"],
      mail: directory["mail-attribute"],
      groupName: directory["group-name-attribute"],
      members: directory["member-attributes"],
      memberOf: directory["member-of-attribute"],
      id: directory["group-id-attribute"],
    },
    pageSize: directory["page-size"],
    connectTimeoutMs: directory["connect-timeout"],
    timeoutMs: directory.timeout,
  };
}
