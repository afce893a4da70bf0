import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { buildSipe } from "./build.ts";
import { isSipeEvent, type SipeEvent, type SipeMessage, type SipeRoom } from "./sipe-event.ts";
import { SipeProcess } from "./sipe-process.ts";

const DEFAULT_WAIT_MS = 15_000;
const LIST_RETRY_MS = 100;

/** Where to sign in and as whom. `login` is the digest user name when it is not `user@domain`. */
export interface SipeSettings {
  host: string;
  port: number;
  transport: "tcp" | "tls";
  user: string;
  domain: string;
  login?: string;
  password: string;
}

/** The real Pidgin SIPE plugin (pidgin-sipe 1.25) in a process of its own, driven without a screen. */
export class SipeClient {
  /** SIP URI of the user, as rooms show it. */
  readonly uri: string;
  /** libpurple's debug log with whole SIP messages; goes away with stop(). */
  readonly logFile: string;
  readonly #process: SipeProcess;

  private constructor(process: SipeProcess, uri: string, logFile: string) {
    this.#process = process;
    this.uri = uri;
    this.logFile = logFile;
  }

  /**
   * Starts the client, not yet signed in, with a private settings folder.
   * @throws Error when it cannot be built or does not get ready.
   */
  static async start(settings: SipeSettings): Promise<SipeClient> {
    const { driver, shim } = await buildSipe();
    const folder = await mkdtemp(path.join(tmpdir(), "parlance-sipe-"));
    const purpleDir = path.join(folder, "purple");
    const logFile = path.join(folder, "debug.log");
    await mkdir(purpleDir);
    const address = `${settings.user}@${settings.domain}`;
    const process = new SipeProcess(`sip:${address}`, driver, folder, {
      PATH: "/usr/bin:/bin",
      LC_ALL: "C.UTF-8",
      HOME: folder,
      DBUS_SESSION_BUS_ADDRESS: "disabled:",
      LD_PRELOAD: shim,
      SIPE_ACCOUNT: settings.login === undefined ? address : `${address},${settings.login}`,
      SIPE_PASSWORD: settings.password,
      SIPE_SERVER: `${settings.host}:${settings.port}`,
      SIPE_TRANSPORT: settings.transport,
      SIPE_PURPLE_DIR: purpleDir,
      SIPE_LOG: logFile,
    });
    const client = new SipeClient(process, `sip:${address}`, logFile);
    try {
      await client.waitForKind("ready", DEFAULT_WAIT_MS, 0);
    } catch (error) {
      await process.stop().catch(() => undefined); // the first error tells more
      throw error;
    }
    return client;
  }

  /** Everything the client said, oldest first. */
  get events(): readonly SipeEvent[] {
    return this.#process.events;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Position in `events`, to look only at what comes after it. */
  mark(): number {
    return this.events.length;
  }

  /**
   * The first event from position `since` on that fits, past or future.
   * @throws Error when none came within `timeoutMs`, or at once when the client has died.
   */
  waitFor(
    fits: (event: SipeEvent) => boolean,
    timeoutMs: number = DEFAULT_WAIT_MS,
    since = 0,
  ): Promise<SipeEvent> {
    return this.#process.waitFor((event): event is SipeEvent => fits(event), timeoutMs, since, String(fits));
  }

  /** waitFor() by kind: the first of any of these `kinds`. */
  waitForKind<K extends SipeEvent["event"]>(
    kinds: K | readonly K[],
    timeoutMs: number,
    since: number,
  ): Promise<Extract<SipeEvent, { event: K }>> {
    const wanted = typeof kinds === "string" ? [kinds] : kinds;
    return this.#process.waitFor(
      (event): event is Extract<SipeEvent, { event: K }> => wanted.some((kind) => isSipeEvent(event, kind)),
      timeoutMs,
      since,
      wanted.join(" or "),
    );
  }

  /**
   * Connects and registers; chat itself comes up a little later, see listRooms().
   * @throws Error with the plugin's words when it is refused, or when nothing came of it in time.
   */
  async signIn(timeoutMs: number = DEFAULT_WAIT_MS): Promise<void> {
    const since = this.mark();
    this.#process.command("signin");
    const event = await this.waitForKind(["connected", "connection-error"], timeoutMs, since);
    if (event.event === "connection-error") throw new Error(`sign-in failed: ${event.text}`);
  }

  /**
   * The rooms the user may see. Asks again while the plugin has not reached the chat pool yet.
   * @throws Error when the server refuses, or chat does not come up in time.
   */
  async listRooms(timeoutMs: number = DEFAULT_WAIT_MS): Promise<SipeRoom[]> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const since = this.mark();
      this.#process.command("list");
      const outcome = await this.waitForKind(
        ["room-list-end", "room-list-refused", "command-error", "notify"],
        Math.max(deadline - Date.now(), 1),
        since,
      );
      if (outcome.event === "room-list-end") {
        return this.events.slice(since).filter((event) => isSipeEvent(event, "room"));
      }
      if (outcome.event !== "room-list-refused") throw new Error(`no room list: ${JSON.stringify(outcome)}`);
      if (Date.now() > deadline) throw await this.#process.explain(`no chat service within ${timeoutMs} ms`);
      await pause(LIST_RETRY_MS);
    }
  }

  /**
   * Enters the room with this ma-chan URI. Call it for one room at a time: a refusal does not name the room.
   * @throws Error with the words of the dialog when the server refuses.
   */
  async join(
    uri: string,
    timeoutMs: number = DEFAULT_WAIT_MS,
  ): Promise<Extract<SipeEvent, { event: "joined" }>> {
    const since = this.mark();
    this.#process.command(`join ${uri}`);
    const outcome = await this.waitForKind(["joined", "notify", "command-error"], timeoutMs, since);
    if (outcome.event === "joined" && outcome.uri === uri) return outcome;
    throw new Error(`join refused: ${JSON.stringify(outcome)}`);
  }

  /** Types the text into a joined room's window. The client shows it only when the server sends it back. */
  say(room: string, text: string): void {
    this.#process.command(`say ${room} ${Buffer.from(text).toString("base64")}`);
  }

  /** Closes a room's window and waits until the plugin read the answer, without which it would not join again. */
  async leave(room: string, timeoutMs: number = DEFAULT_WAIT_MS): Promise<void> {
    const since = this.mark();
    this.#process.command(`leave ${room}`);
    const outcome = await this.waitForKind(["parted", "command-error"], timeoutMs, since);
    if (outcome.event === "command-error") throw new Error(`cannot leave: ${outcome.text}`);
  }

  /** Signs off the way a person does: rooms are not left first, and the plugin awaits no answer. */
  async signOff(timeoutMs: number = DEFAULT_WAIT_MS): Promise<void> {
    const since = this.mark();
    this.#process.command("signoff");
    await this.waitForKind("disconnected", timeoutMs, since);
  }

  /** What was said in a room and shown in its window, from position `since` of the events on. */
  messages(uri: string, since = 0): SipeMessage[] {
    return this.events
      .slice(since)
      .filter((event) => isSipeEvent(event, "message"))
      .filter((message) => message.uri === uri);
  }

  /**
   * Ends the process and removes its folder.
   * @throws Error when the client had died before, e.g. of a segmentation fault, or does not end cleanly.
   */
  stop(): Promise<void> {
    return this.#process.stop();
  }
}
