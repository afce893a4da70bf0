import { z } from "zod";
import { READING_MODES } from "../chat/category.ts";

/** What an export is called in its manifest, and the version that this program writes and reads. */
export const FORMAT = "parlance-export";
export const VERSION = 1;

/** Characters of one line. A room's line holds its lists: half a million addresses fit. */
export const MAX_LINE_BYTES = 32_000_000;

/** Characters of a message, and of its RTF: many times what can be posted, and what one statement of the database takes. */
export const MAX_TEXT = 2_000_000;

const address = z.string().min(1).max(600);
const guid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, "is no GUID in lower case");
const number = z.int().min(0).max(4_294_967_295);
const moment = z.int().min(0).max(253_402_300_799_999);
const name = z.string().min(1).max(512);
const switched = z.boolean().nullable();
/** `ma-chan://<domain>/<guid>` */
const roomUri = z
  .string()
  .regex(
    /^ma-chan:\/\/[a-z0-9.-]{1,255}\/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    "is no address of a room",
  );

/** Who there is, and who may take part. Groups come before memberships, users before groups. */
export const peopleLine = z.discriminatedUnion("type", [
  z.strictObject({
    type: z.literal("policy"),
    name: z.enum(["enable-persistent-chat", "create-rooms"]),
    on: z.boolean(),
  }),
  z.strictObject({ type: z.literal("domain"), uri: address }),
  z.strictObject({
    type: z.literal("user"),
    uri: address,
    name: z.string().max(510),
    email: z.string().max(640).nullable(),
    /** Own policies: null takes the global one. */
    chat: switched,
    createRooms: switched,
    administrator: z.boolean(),
  }),
  z.strictObject({
    type: z.literal("group"),
    uri: address,
    name: z.string().max(510),
    administrator: z.boolean(),
    /** Its name in the directory when that was read last; null for a group of no directory. */
    dn: z.string().max(1024).nullable(),
  }),
  z.strictObject({
    type: z.literal("membership"),
    group: address,
    member: address,
    by: z
      .array(z.enum(["directory", "manual"]))
      .min(1)
      .max(2),
  }),
]);

const addresses = z.array(address);

export const categoryLine = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("addIn"), name, url: z.string().max(255) }),
  z.strictObject({
    type: z.literal("category"),
    guid,
    name,
    description: z.string().max(2_048),
    invitations: z.boolean(),
    fileUpload: z.boolean(),
    chatHistory: z.boolean(),
    /** An export of a version that knew no other has none. */
    reading: z.enum(READING_MODES).default("strict"),
    allowed: addresses,
    denied: addresses,
    creators: addresses,
  }),
]);

export const roomLine = z.strictObject({
  type: z.literal("room"),
  uri: roomUri,
  name,
  description: z.string().max(2_048),
  category: z.strictObject({ guid, name }),
  privacy: z.enum(["open", "closed", "secret"]),
  auditorium: z.boolean(),
  /** False: never, whatever the category says. */
  invitations: z.boolean(),
  addIn: name.nullable(),
  disabled: z.boolean(),
  createdMs: moment,
  /** Whether messages of it follow in the parts behind. */
  withHistory: z.boolean(),
  members: addresses,
  managers: addresses,
  presenters: addresses,
});

export const messageLine = z.discriminatedUnion("type", [
  /** Begins a room's messages, and stands again where a part begins in the middle of them. */
  z.strictObject({
    type: z.literal("history"),
    room: roomUri,
    /** The room's last number when its turn came; messages after it are not in the export. */
    lastNumber: number,
    /** Messages up to this one are gone. */
    clearedTo: number,
    /** The number of the message before the next line, 0 at the beginning. */
    after: number,
  }),
  z.strictObject({
    type: z.literal("message"),
    number: number.min(1),
    atMs: moment,
    author: z.string().max(600),
    alert: z.boolean(),
    /** An administrator or manager put this text in place of another. */
    replaced: z.boolean(),
    text: z.string().max(MAX_TEXT),
    rtf: z.string().max(MAX_TEXT).nullable(),
  }),
  /** Ends them: how many there were, and what `historyHash` makes of their lines. */
  z.strictObject({
    type: z.literal("end"),
    room: roomUri,
    messages: number,
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
]);

export type PeopleLine = z.infer<typeof peopleLine>;
export type CategoryLine = z.infer<typeof categoryLine>;
export type RoomLine = z.infer<typeof roomLine>;
export type MessageLine = z.infer<typeof messageLine>;
export type UserLine = Extract<PeopleLine, { type: "user" }>;
export type GroupLine = Extract<PeopleLine, { type: "group" }>;
export type MembershipLine = Extract<PeopleLine, { type: "membership" }>;
export type HistoryLine = Extract<MessageLine, { type: "history" }>;
export type StoredLine = Extract<MessageLine, { type: "message" }>;

export const PART_KINDS = ["people", "categories", "rooms", "messages"] as const;
export type PartKind = (typeof PART_KINDS)[number];

/** What is counted, by the type of line. */
export const COUNTED = [
  "policy",
  "domain",
  "user",
  "group",
  "membership",
  "addIn",
  "category",
  "room",
  "message",
] as const;
export type Counted = (typeof COUNTED)[number];
export type Counts = Readonly<Record<Counted, number>>;

export const NOTHING_COUNTED: Counts = {
  policy: 0,
  domain: 0,
  user: 0,
  group: 0,
  membership: 0,
  addIn: 0,
  category: 0,
  room: 0,
  message: 0,
};

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const wholeNumber = z.int().min(0);

export const partSchema = z.strictObject({
  file: z.string().regex(/^\d{4,6}-(people|categories|rooms|messages)\.jsonl$/),
  lines: wholeNumber,
  bytes: wholeNumber,
  sha256,
});
export type Part = z.infer<typeof partSchema>;

/** What was asked for; two exports are the same only when this is. */
export const selectionSchema = z.strictObject({
  level: z.enum(["all", "users", "categories", "rooms", "content"]),
  /** Names of categories; null for all. */
  categories: z.array(z.string()).nullable(),
  /** Messages from this moment on. */
  fromMs: moment.nullable(),
  /** Messages before this moment. */
  untilMs: moment.nullable(),
  withoutDisabled: z.boolean(),
});
export type Selection = z.infer<typeof selectionSchema>;
export type Level = Selection["level"];

export const countsSchema = z.strictObject(
  Object.fromEntries(COUNTED.map((what) => [what, wholeNumber])) as Record<Counted, typeof wholeNumber>, // of the list
);

export const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  domain: z.string(),
  selection: selectionSchema,
  counts: countsSchema,
  parts: z.array(partSchema),
  /** Of all the lines `<sha256>  <file>`, as `sha256sum *.jsonl` prints them. */
  sha256,
});
export type Manifest = z.infer<typeof manifestSchema>;
