import { SaxesParser } from "saxes";

/** A room of the stub with what was said in it, oldest first. */
export interface StubRoom {
  uri: string;
  name: string;
  description: string;
  history: { author: string; at: string; text: string }[];
}

/** Somebody who can get XCCOS documents: one client's pool dialog. */
export interface StubParticipant {
  uri: string;
  rooms: Set<string>;
  send: (xml: string) => void;
}

/** An element of a parsed document; `text` is its own character data. */
interface Element {
  name: string;
  attributes: Record<string, string>;
  children: Element[];
  text: string;
}

/** Throw-away XCCOS room service ([MS-XCCOSIP] as far as pidgin-sipe needs it): what the client asks, who is told what. */
export class StubRooms {
  readonly participants = new Set<StubParticipant>();
  readonly #rooms: StubRoom[];
  readonly #poolUri: string;
  #envid = 9000;

  constructor(rooms: StubRoom[], poolUri: string) {
    this.#rooms = rooms;
    this.#poolUri = poolUri;
  }

  /** Handles one XCCOS document; answers go out through `from.send` and to the other participants. */
  handle(from: StubParticipant, xml: string): void {
    for (const primitive of parse(xml).children) {
      if (primitive.name === "grpchat") this.#post(from, primitive);
      else if (primitive.name === "cmd") this.#command(from, primitive);
    }
  }

  /** Takes a participant out of all rooms and tells the others. */
  drop(gone: StubParticipant): void {
    this.participants.delete(gone);
    for (const uri of gone.rooms) this.#tellPart(gone, uri);
    gone.rooms.clear();
  }

  #command(from: StubParticipant, command: Element): void {
    const name = (command.attributes.id ?? "").replace(/^cmd:/, "");
    const uri = find(command, "chanib")?.attributes.uri ?? "";
    if (name === "requri") this.#reply(from, name, `<uib uri="${this.#poolUri}"/>`);
    else if (name === "chansrch")
      this.#reply(from, name, this.#rooms.map((room) => this.#row(room)).join(""));
    else if (name === "join" || name === "bjoin") this.#join(from, name, command);
    else if (name === "bccontext") this.#reply(from, name, this.#historyOf(uri));
    else if (name === "part") this.#part(from, uri);
    else this.#reply(from, name, "");
  }

  #row(room: StubRoom): string {
    const users = this.#inside(room.uri).length;
    const attributes = `name="${escapeXml(room.name)}" description="${escapeXml(room.description)}" uri="${room.uri}"`;
    const logged = '<prop id="urn:parlano:ma:prop:logged">True</prop>';
    return `<chanib ${attributes}><info id="urn:parlano:ma:info:ucnt">${users}</info>${logged}</chanib>`;
  }

  #join(from: StubParticipant, name: string, command: Element): void {
    const asked = findAll(command, "chanid").map(
      ({ attributes }) => `ma-chan://${attributes.domain}/${attributes.value}`,
    );
    const rooms = this.#rooms.filter(({ uri }) => asked.includes(uri));
    if (rooms.length !== asked.length) {
      this.#reply(from, name, "", 404, "there is no such room");
      return;
    }
    const users: string[] = [];
    const places = rooms.map((room) => {
      from.rooms.add(room.uri);
      const ids = new Set(this.#inside(room.uri).map(({ uri }) => idIn(users, uri)));
      return `<chanib uri="${room.uri}" name="${escapeXml(room.name)}" topic="${escapeXml(room.description)}"><aib key="3984" value="${[...ids].join(",")}"/></chanib>`;
    });
    const list = users.map((uri, id) => `<uib id="${id}" uri="${uri}"/>`);
    this.#reply(from, name, places.join("") + list.join(""));
    for (const { uri } of rooms) {
      const [, , domain, value] = uri.split("/");
      const body = `<uib uri="${from.uri}"><aib key="3984" domain="${domain}" value="${value}"/></uib>`;
      this.#tell(uri, `<ntc id="ntc:join" seqid="1"><data>${body}</data></ntc>`, from);
    }
  }

  #part(from: StubParticipant, uri: string): void {
    from.rooms.delete(uri);
    this.#reply(from, "part", `<chanib uri="${uri}"/>`);
    this.#tellPart(from, uri);
  }

  #tellPart(gone: StubParticipant, uri: string): void {
    const body = `<chanib uri="${uri}"><uib uri="${gone.uri}"/></chanib>`;
    this.#tell(uri, `<ntc id="ntc:part" seqid="1"><data>${body}</data></ntc>`, gone);
  }

  #post(from: StubParticipant, grpchat: Element): void {
    const uri = grpchat.attributes.chanUri ?? "";
    const room = this.#rooms.find((candidate) => candidate.uri === uri);
    if (!room || !from.rooms.has(uri)) return;
    const message = {
      author: from.uri,
      at: new Date().toISOString(),
      text: find(grpchat, "chat")?.text ?? "",
    };
    room.history.push(message);
    this.#tell(uri, chat("grpchat", uri, message));
  }

  #historyOf(uri: string): string {
    const room = this.#rooms.find((candidate) => candidate.uri === uri);
    const last = room?.history.slice(-25) ?? [];
    return `<chanib uri="${uri}">${last.map((message) => chat("msg", uri, message)).join("")}</chanib>`;
  }

  #inside(uri: string): StubParticipant[] {
    return [...this.participants].filter(({ rooms }) => rooms.has(uri));
  }

  #tell(uri: string, primitive: string, except?: StubParticipant): void {
    for (const one of this.#inside(uri)) if (one !== except) one.send(this.#envelope(primitive));
  }

  #reply(to: StubParticipant, name: string, data: string, code = 200, text = "SUCCESS_OK"): void {
    const resp = `<resp code="${code}">${text}</resp>`;
    to.send(this.#envelope(`<rpl id="rpl:${name}" seqid="1">${resp}<data>${data}</data></rpl>`));
  }

  #envelope(primitive: string): string {
    this.#envid += 1;
    return `<xccos ver="1" envid="${this.#envid}" xmlns="urn:parlano:xml:ns:xccos">${primitive}</xccos>`;
  }
}

function chat(element: string, uri: string, message: StubRoom["history"][number]): string {
  const attributes = `id="grpchat" seqid="1" chanUri="${uri}" author="${message.author}" ts="${message.at}"`;
  return `<${element} ${attributes}><chat>${escapeXml(message.text)}</chat></${element}>`;
}

function idIn(users: string[], uri: string): number {
  if (!users.includes(uri)) users.push(uri);
  return users.indexOf(uri);
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function parse(xml: string): Element {
  const root: Element = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  const parser = new SaxesParser();
  parser.on("opentag", ({ name, attributes }) => {
    const element: Element = { name, attributes, children: [], text: "" };
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on("text", (text) => {
    const element = open.at(-1);
    if (element) element.text += text;
  });
  parser.on("closetag", () => void open.pop());
  parser.write(xml).close();
  return root.children[0] ?? root;
}

function findAll(element: Element, name: string): Element[] {
  return element.children.flatMap((child) => [
    ...(child.name === name ? [child] : []),
    ...findAll(child, name),
  ]);
}

function find(element: Element, name: string): Element | undefined {
  return findAll(element, name)[0];
}
