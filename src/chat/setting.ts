import { isWebAddress } from "./limits.ts";
import { parseSizeBytes } from "./size.ts";

/** What an administrator may change while the nodes run: a node's file says what holds until then. */
export interface SettingValues {
  /** Messages a client gets when it asks for history without saying how many. */
  readonly "default-chat-history": number;
  /** UTF-8 bytes. */
  readonly "max-message": number;
  readonly "max-story": number;
  /** Rooms, messages, invitations or principals in one reply. */
  readonly "search-limit": number;
  /** Rooms with more participants have no roster traffic. */
  readonly "participant-update-limit": number;
  /** Where people manage their rooms; empty for nowhere. */
  readonly "room-management-url": string;
}

export type SettingName = keyof SettingValues;
export type SettingValue = SettingValues[SettingName];

interface Rule<Value> {
  /** The same in Lync: of its configuration, or of what its server tells its clients. */
  readonly lync: string;
  readonly unit: string;
  /** "a whole number from 1 to 500" */
  readonly allowed: string;
  readonly default: Value;
  /** Undefined when this cannot be its value. */
  readonly read: (given: string) => Value | undefined;
}

const MAX_URL = 1_000;

const within = (number: number | undefined, least: number, most: number) =>
  number !== undefined && number >= least && number <= most ? number : undefined;

const count = (least: number, most: number) => ({
  allowed: `a whole number from ${least} to ${most}`,
  read: (given: string) => within(/^[0-9]{1,9}$/.test(given) ? Number(given) : undefined, least, most),
});

const size = {
  allowed: "a size from 1 to 64kB, such as 8000 or 32kB",
  read: (given: string) => within(parseSizeBytes(given), 1, 64_000),
};

const webAddress = {
  allowed: `empty, or an http or https URL of at most ${MAX_URL} characters`,
  read: (given: string) => (given === "" || isWebAddress(given, MAX_URL) ? given : undefined),
};

/** The rules of each, once, for the file and for the running pool. */
export const SETTINGS: { readonly [Name in SettingName]: Rule<SettingValues[Name]> } = {
  "default-chat-history": { lync: "DefaultChatHistory", unit: "messages", default: 30, ...count(1, 500) },
  "max-message": { lync: "MessageSizeLimit", unit: "bytes", default: 8_000, ...size },
  "max-story": { lync: "StorySizeLimit", unit: "bytes", default: 32_000, ...size },
  "search-limit": { lync: "SearchLimit", unit: "results", default: 999, ...count(1, 9_999) },
  "participant-update-limit": {
    lync: "ParticipantUpdateLimit",
    unit: "participants",
    default: 75,
    ...count(1, 100_000),
  },
  "room-management-url": { lync: "RoomManagementUrl", unit: "", default: "", ...webAddress },
};

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[]; // of the object above

/** Lync's settings that have nothing here to set, and why. */
const NOT_HERE: ReadonlyMap<string, string> = new Map([
  ["maxfilesizekb", "MaxFileSizeKB cannot be set: rooms carry no files yet"],
]);

/** By our name, with or without its section in the file, or by Lync's; in upper or lower case. */
export function settingNamed(word: string): SettingName | undefined {
  const wanted = word.toLowerCase().replace(/^chat\./, "");
  return SETTING_NAMES.find((name) => name === wanted || SETTINGS[name].lync.toLowerCase() === wanted);
}

/** Why no setting is called this; undefined when one is. */
export function settingNameProblem(word: string): string | undefined {
  if (settingNamed(word)) return undefined;
  return (
    NOT_HERE.get(word.toLowerCase()) ??
    `no setting ${JSON.stringify(word)} can be changed at run time; these can: ${SETTING_NAMES.join(", ")}`
  );
}

/** Why this cannot be its value; undefined when it can. */
export function settingProblem(name: SettingName, given: string): string | undefined {
  const { allowed, read } = SETTINGS[name];
  return read(given) === undefined ? `${JSON.stringify(given)} is not ${allowed}` : undefined;
}

/** What this is set to at run time; a text that is no value of it (any more) counts as not set. */
export function valueSet<Name extends SettingName>(
  name: Name,
  set: ReadonlyMap<string, string>,
): SettingValues[Name] | undefined {
  const text = set.get(name);
  return text === undefined ? undefined : SETTINGS[name].read(text);
}

/** What holds when these texts are set at run time. */
export function settingsInEffect(set: ReadonlyMap<string, string>, otherwise: SettingValues): SettingValues {
  const one = <Name extends SettingName>(name: Name): SettingValues[Name] =>
    valueSet(name, set) ?? otherwise[name];
  return {
    "default-chat-history": one("default-chat-history"),
    "max-message": one("max-message"),
    "max-story": one("max-story"),
    "search-limit": one("search-limit"),
    "participant-update-limit": one("participant-update-limit"),
    "room-management-url": one("room-management-url"),
  };
}
