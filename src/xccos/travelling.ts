/**
 * Bytes of a body as it travels to an edge: quoted as a JSON string, in UTF-8. An edge takes no call that is larger than its read
 * buffer, so whatever is made to be sent is bounded in these bytes: what exceeds them could never reach anybody.
 */
export function travellingBytes(body: string): number {
  return Buffer.byteLength(JSON.stringify(body));
}
