import type { OutgoingDialog, SipSender } from "../src/ports.ts";
import type { EdgeLink } from "./edge-link.ts";

/** Sends in-dialog INFOs through the edge that each client is connected to. */
export class InfoSender implements SipSender {
  private readonly edges: ReadonlyMap<string, EdgeLink>;

  constructor(edges: ReadonlyMap<string, EdgeLink>) {
    this.edges = edges;
  }

  send(body: string, dialogs: Iterable<OutgoingDialog>, turn: number): void {
    const byEdge = new Map<string, OutgoingDialog[]>();
    for (const dialog of dialogs) {
      const some = byEdge.get(dialog.flow.edge);
      if (some) some.push(dialog);
      else byEdge.set(dialog.flow.edge, [dialog]);
    }
    for (const [edge, some] of byEdge) this.edges.get(edge)?.send(body, some, turn);
  }
}
