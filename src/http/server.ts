import Fastify, { type FastifyInstance } from "fastify";
import type { Registry } from "prom-client";

/** Who may call a route. `anyone` who reaches the address: it is meant for loopback or a management network. */
type RouteRole = "anyone";

interface Route {
  readonly path: string;
  readonly needs: RouteRole;
  readonly answer: () => Promise<{ status: number; type: string; body: string }>;
}

export interface HttpPorts {
  readonly registry: Registry;
  /** What is not ready yet, in a word each; empty when everything is. */
  readonly missing: () => string[];
}

/** Health and metrics. */
export async function createHttpServer({ registry, missing }: HttpPorts): Promise<FastifyInstance> {
  const routes: readonly Route[] = [
    {
      path: "/health/live",
      needs: "anyone",
      answer: async () => ({ status: 200, type: "text/plain", body: "alive\n" }),
    },
    {
      path: "/health/ready",
      needs: "anyone",
      answer: async () => {
        const parts = missing();
        return parts.length === 0
          ? { status: 200, type: "text/plain", body: "ready\n" }
          : { status: 503, type: "text/plain", body: `not ready: ${parts.join(", ")}\n` };
      },
    },
    {
      path: "/metrics",
      needs: "anyone",
      answer: async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() }),
    },
  ];
  const server = Fastify({
    logger: false,
    bodyLimit: 65_536,
    connectionTimeout: 10_000,
    requestTimeout: 10_000,
  });
  for (const { path, answer } of routes) {
    server.get(path, async (_request, reply) => {
      const { status, type, body } = await answer();
      return reply.code(status).header("cache-control", "no-store").type(type).send(body);
    });
  }
  return server;
}
