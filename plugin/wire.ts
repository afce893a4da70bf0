import type { EdgeLink } from "../kamailio/edge-link.ts";
import { Gateway } from "../kamailio/gateway.ts";
import { InfoSender } from "../kamailio/info-sender.ts";
import { NotificationServer } from "../kamailio/jsonrpc/server.ts";
import { Attendance } from "../src/attendance.ts";
import type { Services } from "../src/commands/context.ts";
import { Envids } from "../src/delivery/envids.ts";
import { Fanout } from "../src/delivery/fanout.ts";
import { RosterNotices } from "../src/delivery/roster-notices.ts";
import { Rosters } from "../src/delivery/rosters.ts";
import { createHttpServer } from "../src/http/server.ts";
import { Housekeeping } from "../src/pool/housekeeping.ts";
import { LeaseKeeper } from "../src/pool/lease-keeper.ts";
import { Takeover } from "../src/pool/takeover.ts";
import type { Clock } from "../src/ports.ts";
import type { ReceivePorts } from "../src/receive.ts";
import { Sessions } from "../src/sessions.ts";
import { MAX_DATAGRAM_BODY_BYTES } from "../src/sip/dialog.ts";
import { openStores } from "../src/store/mysql/stores.ts";
import { RedisConnection } from "../src/store/redis/connection.ts";
import { GatheredWaker } from "../src/store/redis/gathered-waker.ts";
import { ComplianceQueue } from "../src/store/redis/job-queue.ts";
import { RedisBus } from "../src/store/redis/node-bus.ts";
import { RedisPresence } from "../src/store/redis/presence-store.ts";
import { RedisTransport } from "../src/store/redis/redis-transport.ts";
import { createMetrics, knownMethod, type Logger } from "../src/telemetry.ts";
import type { Config } from "./config.ts";
import { AROUND_REPLY_BYTES } from "./config-schema.ts";
import { failuresOn } from "./failures.ts";
import { nowAndThen } from "./now-and-then.ts";
import { watchNode } from "./wire-alerts.ts";
import { heartbeat } from "./wire-capture.ts";
import { type Following, followChanges } from "./wire-changes.ts";
import { startDirectory } from "./wire-directory.ts";
import { makeEdge } from "./wire-edge.ts";
import { makePersonal } from "./wire-personal.ts";
import { makeReading } from "./wire-reading.ts";
import { chatLimits, inviteSettings, makeSettings, poolIdentity } from "./wire-settings.ts";

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };

/**
 * Builds one application node out of its parts and starts it; reads as the architecture diagram.
 * @param onLost the lease is gone: the process must exit, its dialogs have a new home
 */
export async function startNode(config: Config, log: Logger, onLost: (why: string) => void) {
  const metrics = createMetrics();
  const onError = failuresOn(log, metrics);

  // Stores
  const redisSettings = {
    url: config.redisUrl,
    onTrouble: (error: Error) => log.warn({ why: error.message }, "Redis is away"),
  };
  const queue = new ComplianceQueue(redisSettings);
  const waker = new GatheredWaker(queue);
  let lose: (why: string) => void = () => {};
  let tellOfChange = () => {};
  const stores = await openStores({
    url: config.mysqlUrl,
    domain: config.domain,
    compliance: config.compliance.enabled,
    waker,
    onSuperseded: () => lose("another node has taken over"),
    node: config.node.name,
    onChanged: () => tellOfChange(),
    onUnfinished: (error) => onError(error, "inviting behind a change"),
  });
  const lease = await LeaseKeeper.begin(config.node.name, { leases: stores.leases, clock, onLost, onError });
  lose = (why) => lease.lose(why);
  const me = lease.incarnation;
  const journal = stores.journal(me);
  const reading = makeReading(config, { stores, journal, me, clock, log, metrics, onError });

  // The other nodes
  const transport = new RedisTransport(redisSettings);
  const bus = new RedisBus(transport, me);
  const redis = new RedisConnection(redisSettings);
  const presence: RedisPresence = new RedisPresence(redis, me, {
    rooms: () => rosters.roomsHere(),
    participants: (roomId) => rosters.participantsHere(roomId),
  });

  // The edges
  const sessions = new Sessions();
  const maySpeak = () => lease.held;
  const edges = new Map<string, EdgeLink>();
  const sender = new InfoSender(edges);
  /** Of a message or reply: the settings, or less while an edge cannot read as much in one go. */
  const maxReplyBytes = () =>
    Math.min(
      config.chat["max-reply"],
      ...[...edges.values()].map(({ mostCallBytes }) => mostCallBytes - AROUND_REPLY_BYTES),
    );

  // The core
  const envids = new Envids();
  const { rooms, users, messages, dialogs } = stores;
  const delivered = (roomId: number) => fanout.delivered(roomId);
  const parts = { config, stores, sessions, sender, bus, clock, envids, me, delivered, onError };
  const { services: personal, chores, filters, selfPresence } = makePersonal(parts);
  const { readMarks } = personal;
  const fanout: Fanout = new Fanout({
    messages,
    rooms,
    sender,
    bus,
    envids,
    onMessage: (roomId, grpchat) => filters.overhear(roomId, grpchat),
    review: (roomId) => review.room(roomId),
    onError,
  });
  const notices = new RosterNotices({
    sender,
    envids,
    sessionsIn: (roomId) => fanout.sessionsIn(roomId),
    maxBytes: () => Math.min(maxReplyBytes() - 2_000, MAX_DATAGRAM_BODY_BYTES),
  });
  const settings = makeSettings(stores.changes, config, log, () => rosters.limitChanged());
  const participantUpdateLimit = () => settings.now["participant-update-limit"];
  const rosters: Rosters = new Rosters({ presence, bus, notices, clock, participantUpdateLimit, onError });
  const attending = { sessions, journal, dialogs, rooms, fanout, rosters, readMarks, bus, clock };
  const attendance = new Attendance(attending);
  const here = { ...parts, store: stores.changes, messages, rooms, users, attendance, fanout, rosters };
  const following: Following = followChanges({ ...here, settings });
  const { changes, review } = following;
  tellOfChange = following.tell;
  const services: Services = {
    rooms,
    management: stores.management,
    messages,
    search: stores.search,
    dialogs,
    journal,
    readings: reading.records,
    ...personal,
    attendance,
    fanout,
    rosters,
    clock,
    recordsReading: config.compliance.enabled,
    limits: chatLimits(settings, maxReplyBytes),
    pool: poolIdentity(config, settings, stores.storeId),
  };
  const receiving: ReceivePorts = {
    services,
    sender,
    envids,
    onError,
    onHandled: (kind, code) => metrics.primitives.inc({ kind, code }),
  };

  // Kamailio
  const stranger = nowAndThen<{ why: string; remote?: string }>((details, unsaid) =>
    log.warn({ ...details, unsaid }, "dropped what a stranger sent on the link"),
  );
  const gateway = new Gateway({
    key: config.key,
    edges,
    sessions,
    attendance,
    users,
    dialogs,
    receiving,
    selfPresence,
    clock,
    me,
    node: config.node.name,
    invite: inviteSettings(config, settings),
    maySpeak,
    onError,
    onRequest: ({ method, status, tookMs, ...line }) => {
      metrics.requests.inc({ method: knownMethod(method), status });
      metrics.requestSeconds.observe({ method: knownMethod(method) }, tookMs / 1_000);
      log.debug({ method, status, tookMs: Math.round(tookMs), ...line }, "request");
    },
    onRefused: (status, callId) => {
      metrics.refusedInfos.inc({ status: `${Math.floor(status / 100)}xx` });
      log.debug({ status, callId }, "a client refused an INFO");
    },
    onStranger: (why) => {
      metrics.strangers.inc();
      stranger({ why });
    },
  });
  const link = new NotificationServer({
    host: config.node.listen.host,
    port: config.node.listen.port,
    onNotification: (method, params) => gateway.onNotification(method, params),
    onChange: () => {
      for (const edge of edges.values()) edge.linkChanged();
    },
    onProtocolError: (why, remote) => {
      metrics.strangers.inc();
      stranger({ why, remote });
    },
  });
  const ports = { me, clock, maySpeak, onError, reconnect: () => link.disconnectAll(), log, metrics };
  for (const edge of config.link.edges) edges.set(edge.name, makeEdge(edge, config, gateway, ports));

  // By the clock
  const takeover = new Takeover({
    me,
    leases: stores.leases,
    dialogs,
    progress: stores.progress,
    rooms,
    attendance,
    changes,
    review,
    fanout,
    readMarks,
    announceHomes: (issuers) => {
      for (const edge of edges.values()) for (const issuer of issuers) edge.announceHome(issuer);
      for (const edge of edges.values()) if (edge.start !== "") gateway.onEdgeStart(edge.name, edge.start);
    },
    dropPresence: (dead) => presence.adopt(dead),
    maySpeak,
    onError,
    onTaken: (dead, count) => {
      metrics.takeovers.inc();
      log.info({ dead, dialogs: count }, "took over a node");
    },
  });
  const behindMs = () => Math.max(0, ...[...edges.values()].map((edge) => edge.behindMs));
  const housekeeping = new Housekeeping({
    sessions,
    attendance,
    fanout,
    progress: stores.progress,
    readMarks,
    chores: [
      ...chores,
      ...reading.chores,
      heartbeat(config, stores, journal, sessions),
      { what: "comparing rosters", everyMs: 1_000, work: () => rosters.compare() },
      { what: "reading settings", everyMs: 60_000, work: () => settings.read() },
    ],
    changes,
    review,
    takeover,
    lease,
    bus,
    clock,
    index: () => stores.indexer.turn(),
    cleanUp: () => stores.sweep(),
    sessionExpiresMs: config.chat["session-expires"],
    hasSentAll: (asOfMs) => [...edges.values()].every((edge) => edge.hasSentAll(asOfMs)),
    onError,
  });
  metrics.dialogs(() => sessions.size);
  metrics.edgesReached(() => edges);
  metrics.behindSeconds(() => behindMs() / 1_000);

  const closedWays = () => [...edges].flatMap(([name, { open }]) => (open ? [] : [`way from ${name}`]));
  let ready = false;
  const http = await createHttpServer({
    registry: metrics.registry,
    missing: () => [...(ready ? [] : ["starting"]), ...(lease.held ? [] : ["lease"]), ...closedWays()],
  });

  queue.start();
  transport.start();
  redis.start();
  presence.start();
  await changes.start();
  await takeover.look(); // this node's own earlier life, if nobody took it yet
  await reading.start();
  await link.listen();
  await http.listen(config.http.listen);
  housekeeping.start();
  const directory = startDirectory(config, stores, { holder: me, maySpeak, log, metrics, onError });
  const watchman = watchNode(config, { stores, journal, edges, bus, redis, behindMs, log, metrics });
  ready = true;
  log.info({ incarnation: me, link: config.node.listen, http: config.http.listen }, "node is ready");

  const stop = async (): Promise<void> => {
    ready = false;
    housekeeping.stop();
    await directory.stop();
    await watchman.stop();
    await link.close();
    fanout.stop();
    notices.stop();
    await Promise.all([...edges.values()].map((edge) => edge.stop()));
    // All that was handed over has left: the successor repeats none of it. Without this it repeats the last second.
    const delivered = behindMs() === 0 ? fanout.takeProgress() : new Map<number, number>();
    await stores.progress.save(me, delivered).catch((error: unknown) => onError(error, "saving progress"));
    await readMarks.save().catch((error: unknown) => onError(error, "saving what was read"));
    await http.close();
    await reading.stop();
    await lease.release();
    await presence.stop();
    waker.flush();
    await Promise.all([transport.close(), redis.close(), queue.close()]);
    await stores.close();
  };
  return { stop };
}
