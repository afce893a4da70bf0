import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { type StubParticipant, type StubRoom, StubRooms } from "./stub-rooms.ts";
import { header, StubFramer, type StubMessage, tagOf, uriOf, writeMessage } from "./stub-sip.ts";

/**
 * `passwords` by `user@domain`: given, every REGISTER must prove one by digest (407). `tls`: PEM texts.
 * `postStatus`: how a posted message is answered instead of "200 OK"; it is then not distributed.
 */
export interface StubSettings {
  domain: string;
  rooms: StubRoom[];
  passwords?: Record<string, string>;
  postStatus?: string;
  tls?: { key: string; cert: string };
}

/**
 * A running stub. `requests` lists what it got, as `METHOD body-id`, e.g. `INFO cmd:join`; `history` what was said in a room.
 */
export interface SipeStub {
  port: number;
  history: (uri: string) => StubRoom["history"];
  requests: string[];
  stop: () => Promise<void>;
}

interface Peer {
  socket: Socket;
  user: string;
  dialogs: Map<string, StubParticipant>;
}

const NONCE = "stub-nonce";

/** A throw-away SIP server with chat rooms on loopback: as much as pidgin-sipe needs, from sign-in to sign-off. */
export async function startSipeStub(settings: StubSettings): Promise<SipeStub> {
  const poolUri = `sip:pool@${settings.domain}`;
  const rooms = new StubRooms(settings.rooms, poolUri);
  const requests: string[] = [];
  const sockets = new Set<Socket>();

  const accept = (socket: Socket): void => {
    const framer = new StubFramer();
    const peer: Peer = { socket, user: "", dialogs: new Map() };
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      for (const participant of peer.dialogs.values()) rooms.drop(participant);
    });
    socket.on("data", (chunk: Buffer) => {
      for (const message of framer.push(chunk)) {
        if (message.start.startsWith("SIP/2.0 ")) continue; // answers to our INFOs
        requests.push(describe(message));
        serve(settings, rooms, peer, message, poolUri);
      }
    });
  };
  const server: Server = settings.tls ? createTlsServer(settings.tls, accept) : createServer(accept);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : 0,
    requests,
    history: (uri) => settings.rooms.find((room) => room.uri === uri)?.history ?? [],
    stop: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function describe(message: StubMessage): string {
  const method = message.start.split(" ")[0];
  const id = /(?:cmd|grpchat) id="([^"]+)"/.exec(message.body)?.[1];
  return id ? `${method} ${id}` : `${method}`;
}

function serve(
  settings: StubSettings,
  rooms: StubRooms,
  peer: Peer,
  request: StubMessage,
  poolUri: string,
): void {
  const method = request.start.split(" ")[0];
  if (method === "REGISTER") register(settings, peer, request);
  else if (method === "SUBSCRIBE") respond(peer, request, ...provisioning(settings, poolUri));
  else if (method === "INVITE") invite(rooms, peer, request);
  else if (method !== "ACK") inDialog(settings, rooms, peer, request);
}

function inDialog(settings: StubSettings, rooms: StubRooms, peer: Peer, request: StubMessage): void {
  const method = request.start.split(" ")[0];
  const tag = tagOf(header(request, "to"));
  const participant = peer.dialogs.get(tag);
  if (!participant) {
    respond(peer, request, "481 Call Leg Does Not Exist");
    return;
  }
  if (settings.postStatus && request.body.includes("<grpchat ")) {
    respond(peer, request, settings.postStatus);
    return;
  }
  respond(peer, request, "200 OK");
  if (method === "INFO") rooms.handle(participant, request.body);
  if (method === "BYE") {
    peer.dialogs.delete(tag);
    rooms.drop(participant);
  }
}

function register(settings: StubSettings, peer: Peer, request: StubMessage): void {
  peer.user = uriOf(header(request, "from"));
  const password = settings.passwords?.[peer.user.replace(/^sip:/, "")];
  if (settings.passwords && !proves(header(request, "proxy-authorization"), password)) {
    const challenge = `Proxy-Authenticate: Digest realm="${settings.domain}", nonce="${NONCE}", qop="auth"`;
    respond(peer, request, "407 Proxy Authentication Required", [challenge]);
    return;
  }
  respond(peer, request, "200 OK", [
    "Expires: 3600",
    "Supported: msrtc-event-categories",
    "Allow-Events: vnd-microsoft-provisioning-v2",
  ]);
}

/** Digest of RFC 2617 over the URI the client names, which is the literal text "(null)". */
function proves(authorization: string, password: string | undefined): boolean {
  const field = (name: string): string => new RegExp(`\\b${name}="?([^",]+)`).exec(authorization)?.[1] ?? "";
  if (password === undefined || !authorization) return false;
  const secret = md5(`${field("username")}:${field("realm")}:${password}`);
  const action = md5(`REGISTER:${field("uri")}`);
  const use = [NONCE, field("nc"), field("cnonce"), field("qop")].join(":");
  return field("response") === md5(`${secret}:${use}:${action}`);
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

function provisioning(settings: StubSettings, poolUri: string): [string, string[], string] {
  const property = (name: string, value: string): string => `<property name="${name}">${value}</property>`;
  const list = property("EnablePersistentChat", "true") + property("DefaultPersistentChatPoolUri", poolUri);
  const group = `<provisionGroup name="persistentChatConfiguration"><propertyEntryList>${list}</propertyEntryList></provisionGroup>`;
  const namespace = "http://schemas.microsoft.com/2006/09/sip/provisiongrouplist-notification";
  const headers = [
    "Expires: 0",
    "Event: vnd-microsoft-provisioning-v2",
    "ms-piggyback-cseq: 1",
    "Content-Type: application/vnd-microsoft-roaming-provisioning-v2+xml",
    `Contact: <sip:${settings.domain}>`,
  ];
  return ["200 OK", headers, `<provisionGroupList xmlns="${namespace}">${group}</provisionGroupList>`];
}

/** The dialog is known by our To tag alone: clients started in the same second choose the same Call-ID and From tag. */
function invite(rooms: StubRooms, peer: Peer, request: StubMessage): void {
  const ours = randomBytes(8).toString("hex");
  const invited = request.start.split(" ")[1] ?? "";
  const to = `${header(request, "to")};tag=${ours}`;
  let cseq = 0;
  const participant: StubParticipant = {
    uri: peer.user,
    rooms: new Set(),
    send: (xml) => {
      cseq += 1;
      const headers = [
        `Via: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK${randomBytes(8).toString("hex")}`,
        `From: <${invited}>;tag=${ours}`,
        `To: ${header(request, "from")}`,
        `Call-ID: ${header(request, "call-id")}`,
        `CSeq: ${cseq} INFO`,
        "Max-Forwards: 70",
        "Content-Type: text/plain",
      ];
      peer.socket.write(writeMessage(`INFO ${peer.user} SIP/2.0`, headers, xml));
    },
  };
  peer.dialogs.set(ours, participant);
  rooms.participants.add(participant);
  respond(peer, request, "200 OK", ["Session-Expires: 720", `Contact: <${invited}>`], "", to);
}

function respond(
  peer: Peer,
  request: StubMessage,
  status: string,
  extra: string[] = [],
  body = "",
  to = header(request, "to"),
): void {
  const vias = request.headers.filter(([name]) => name === "via").map(([, value]) => `Via: ${value}`);
  const tagged = tagOf(to) ? to : `${to};tag=${randomBytes(8).toString("hex")}`;
  const same = ["From", "Call-ID", "CSeq"].map((name) => `${name}: ${header(request, name)}`);
  peer.socket.write(writeMessage(`SIP/2.0 ${status}`, [...vias, `To: ${tagged}`, ...same, ...extra], body));
}
