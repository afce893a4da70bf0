import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EchoNode } from "./echo-node.ts";
import { startEchoNode } from "./echo-node.ts";
import type { LabEdge, LabEdgeOptions } from "./kamailio-lab.ts";
import { startEdge } from "./kamailio-lab.ts";
import { startMariadb } from "./lab-mariadb.ts";
import { freePort } from "./lab-ports.ts";
import type { Account, RequestText, SipLines } from "./sip-lines.ts";
import { sipStream } from "./sip-lines.ts";

export const ALICE: Account = { username: "alice@example.com", password: "alice-secret" };
export const BOB: Account = { username: "bob", password: "bob-secret" };
export const TOKEN = "0123456789abcdef0123456789abcdef";

/** MariaDB with alice and bob, Kamailio, and as many echo nodes as named. */
export interface ChatLab {
  readonly edge: LabEdge;
  readonly nodes: Map<string, EchoNode>;
  /** Ends the database; Kamailio stays. */
  stopDatabase(): Promise<void>;
  node(name: string): EchoNode;
  /** Starts a node that was stopped, on its port. */
  startNode(name: string): Promise<EchoNode>;
  /** A TCP connection over which alice has registered. */
  alice(): Promise<SipLines>;
  stop(): Promise<void>;
}

let calls = 0;

/** A request of `user` to the pool URI; every one gets its own Call-ID and tag. */
export function poolRequest(method: string, user: string, more: Partial<RequestText> = {}): RequestText {
  calls += 1;
  return {
    method,
    uri: "sip:pchat@example.com",
    from: `<sip:${user}@example.com>;tag=t${calls};epid=e${calls}`,
    to: "<sip:pchat@example.com>",
    callId: `call-${calls}`,
    cseq: 1,
    ...more,
  };
}

/** An in-dialog request to the Contact of an incarnation, `n1-5` for instance. */
export function dialogRequest(
  method: string,
  user: string,
  incarnation: string,
  more: Partial<RequestText> = {},
): RequestText {
  return poolRequest(method, user, {
    uri: `sip:${incarnation}.${TOKEN}@127.0.0.1:5060;transport=tcp`,
    to: "<sip:pchat@example.com>;tag=ours",
    cseq: 2,
    ...more,
  });
}

export async function startChatLab(
  names: readonly string[],
  edgeOptions: Pick<LabEdgeOptions, "peers" | "moreUdp" | "defines"> = {},
): Promise<ChatLab> {
  const dir = await mkdtemp(join(tmpdir(), "parlance-"));
  const database = await startMariadb(dir);
  await database.addUser("alice", "example.com", ALICE.password);
  await database.addUser("bob", "example.com", BOB.password);
  const ports = new Map<string, number>();
  for (const name of names) ports.set(name, await freePort());
  const edge = await startEdge({
    dir,
    databaseUrl: database.url,
    nodes: [...ports].map(([name, port]) => ({ name, host: "127.0.0.1", port })),
    ...edgeOptions,
  });
  const nodes = new Map<string, EchoNode>();
  const lab: ChatLab = {
    edge,
    nodes,
    stopDatabase: () => database.stop(),
    node(name) {
      const node = nodes.get(name);
      if (node === undefined) throw new Error(`no node ${name}`);
      return node;
    },
    async startNode(name) {
      const port = ports.get(name) ?? 0;
      const node = await startEchoNode({ name, key: edge.key, control: edge.control, port });
      nodes.set(name, node);
      return node;
    },
    async alice() {
      const phone = await sipStream(edge.host, edge.tcpPort);
      const contact = `Contact: <sip:${phone.local.address}:${phone.local.port};transport=tcp>`;
      const registered = await phone.askAs(
        ALICE,
        poolRequest("REGISTER", "alice", {
          uri: "sip:example.com",
          to: "<sip:alice@example.com>",
          headers: [contact],
        }),
      );
      if (registered.status !== 200) throw new Error(`REGISTER: ${registered.start}`);
      return phone;
    },
    async stop() {
      for (const node of nodes.values()) await node.stop();
      await edge.stop();
      await database.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
  try {
    for (const name of names) await lab.startNode(name);
  } catch (error) {
    await lab.stop();
    throw error;
  }
  return lab;
}
