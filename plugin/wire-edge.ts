import { EdgeLink, type EdgeLinkPorts } from "../kamailio/edge-link.ts";
import type { Gateway } from "../kamailio/gateway.ts";
import { BatchClient } from "../kamailio/jsonrpc/client.ts";
import { WayIn } from "../kamailio/way-in.ts";
import type { Logger, Metrics } from "../src/telemetry.ts";
import type { Config } from "./config.ts";

type EdgeSettings = Config["link"]["edges"][number];

/** The way from this node to one Kamailio; what it learns of connections goes to the gateway. */
export function makeEdge(
  settings: EdgeSettings,
  config: Config,
  gateway: Gateway,
  ports: Pick<EdgeLinkPorts, "me" | "clock" | "maySpeak" | "onError"> & {
    reconnect: () => void;
    log: Logger;
    metrics: Metrics;
  },
): EdgeLink {
  const { name, control, sockets, "local-address": localAddress, "max-call": maxCallBytes } = settings;
  const { hostname, port } = new URL(control);
  const local = localAddress === undefined ? {} : { localAddress };
  const client = () =>
    new BatchClient({
      host: hostname,
      port: Number(port || 80),
      path: "/parlance",
      key: config.key,
      ...local,
    });
  const { me, clock, maySpeak, onError, reconnect, log, metrics } = ports;
  const { listen } = config.node;
  const onChange = (open: boolean) =>
    open
      ? log.info({ edge: name }, "Kamailio reaches this node again")
      : log.error(
          { edge: name, listen },
          "Kamailio answers this node, but does not reach it: no request can come in",
        );
  return new EdgeLink({
    clock,
    maySpeak,
    onError,
    wayIn: new WayIn({ clock, reconnect, onChange }),
    onReadBuffer: (tcpRdBufSize, most) =>
      most < maxCallBytes
        ? log.warn(
            { edge: name, tcpRdBufSize, maxCall: maxCallBytes, uses: most },
            "max-call does not fit into Kamailio's tcp_rd_buf_size: smaller calls, shorter histories and messages",
          )
        : log.info(
            { edge: name, tcpRdBufSize, maxCall: maxCallBytes },
            "max-call fits into tcp_rd_buf_size again",
          ),
    onLeftOut: (leftOut) => {
      metrics.errors.inc({ what: "handing over to Kamailio" });
      log.error({ edge: name, ...leftOut }, "Kamailio does not take this: left out");
    },
    name,
    node: config.node.name,
    me,
    clients: Array.from({ length: sockets }, client),
    maxCallBytes,
    onStart: (start) => gateway.onEdgeStart(name, start),
    onDead: (start, conid) => gateway.onClosed(name, start, conid),
    onOverflow: (dialogs) => {
      for (const { state } of dialogs) gateway.onUnserved(state.token);
    },
  });
}
