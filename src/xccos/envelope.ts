import { type Command, decodeCommand } from "./command.ts";
import { XccosError } from "./error.ts";
import { decodeGrpchat, type WirePost } from "./grpchat.ts";
import { XCCOS_NAMESPACE } from "./names.ts";
import { parseXml, type XmlElement } from "./xml.ts";
import { element } from "./xml-writer.ts";

/** One thing said in an envelope. Unknown ones are kept to be counted and otherwise ignored. */
export type Primitive =
  | { readonly kind: "cmd"; readonly command: Command }
  | { readonly kind: "grpchat"; readonly post: WirePost }
  | { readonly kind: "unknown"; readonly name: string };

export interface Envelope {
  /** Decimal digits as received, at most 64 bits unsigned; kept as text, since a number would round it. */
  readonly envid: string;
  /** In document order, at most 16. */
  readonly primitives: readonly Primitive[];
}

/** Element children of one envelope, unknown ones included. */
export const MAX_PRIMITIVES = 16;

const MAX_ENVID = 2n ** 64n - 1n;

/**
 * Reads the body of an INFO.
 *
 * @throws {XccosError} when it is no envelope as a whole. What is wrong with one primitive is told in
 *   that primitive instead, so that it can be answered.
 */
export function decodeEnvelope(body: Uint8Array): Envelope {
  const root = parseXml(body);
  if (root.namespace !== XCCOS_NAMESPACE) throw new XccosError("root element", "wrong-namespace");
  if (root.name !== "xccos") throw new XccosError("root element", "not-xccos");
  const envid = root.attributes.get("envid");
  if (envid === undefined) throw new XccosError("xccos@envid", "no-envid");
  if (!/^[0-9]{1,20}$/.test(envid) || BigInt(envid) > MAX_ENVID) {
    throw new XccosError("xccos@envid", "bad-envid");
  }
  if (root.children.length > MAX_PRIMITIVES) throw new XccosError("xccos", "too-many-primitives");
  return { envid, primitives: root.children.map(decodePrimitive) };
}

function decodePrimitive(primitive: XmlElement): Primitive {
  if (primitive.namespace === XCCOS_NAMESPACE) {
    if (primitive.name === "cmd") return { kind: "cmd", command: decodeCommand(primitive) };
    if (primitive.name === "grpchat") return { kind: "grpchat", post: decodeGrpchat(primitive) };
  }
  return { kind: "unknown", name: primitive.name };
}

/**
 * An INFO body, without an XML declaration.
 *
 * COMPAT(SIPE, 1.25): put only one grpchat into an envelope and nothing beside it; it reads no other.
 *
 * @param envid decimal, unique per dialog
 * @param primitives encoded elements, one after the other
 */
export function encodeEnvelope(envid: string, primitives: string): string {
  return element("xccos", { ver: "1", envid, xmlns: XCCOS_NAMESPACE }, primitives);
}
