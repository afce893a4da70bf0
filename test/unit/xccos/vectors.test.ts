import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeEnvelope, encodeEnvelope } from "../../../src/xccos/envelope.ts";
import { XccosError } from "../../../src/xccos/error.ts";
import { encodeGrpchat } from "../../../src/xccos/grpchat.ts";
import { searchData } from "../../../src/xccos/history-search.ts";
import * as management from "../../../src/xccos/management-reply.ts";
import type { ResponseName } from "../../../src/xccos/names.ts";
import * as notices from "../../../src/xccos/notice.ts";
import * as replies from "../../../src/xccos/reply.ts";
import { parseXml } from "../../../src/xccos/xml.ts";

// client-, post-, form-, invalid-: a body and the envelope it decodes to. hostile-: a body and the error.
// server-: a body and the encoder call that writes it, byte for byte.
const folder = new URL("../../vectors/", import.meta.url);

interface Vector {
  envelope?: unknown;
  error?: { code: string; reason: string };
  encode?: string;
  with?: unknown;
}

interface ReplyCall {
  name: string;
  envid: string;
  commandSeqid: string;
  response: [name: ResponseName, sentence?: string];
  data: unknown[];
}

// Vectors are our own files: their arguments are spread into encoders without a check of their types.
type Encoder = (...args: never[]) => string;
const dataEncoders: Readonly<Record<string, Encoder>> = {
  noData: () => "",
  serverUriData: replies.serverUriData,
  serverInfoData: replies.serverInfoData,
  roomListData: replies.roomListData,
  joinData: replies.joinData,
  partData: replies.partData,
  historyData: (...args: Parameters<typeof replies.historyData>) => replies.historyData(...args).data,
  searchData,
  invitationData: replies.invitationData,
  preferenceData: replies.preferenceData,
  roomInfoData: management.roomInfoData,
  roleData: management.roleData,
  categoryData: management.categoryData,
  addInData: management.addInData,
  principalData: management.principalData,
};
const primitiveEncoders: Readonly<Record<string, Encoder>> = {
  encodeGrpchat,
  encodeJoinNotice: notices.encodeJoinNotice,
  encodePartNotice: notices.encodePartNotice,
  encodeInviteNotice: notices.encodeInviteNotice,
  encodeRoomModifiedNotice: notices.encodeRoomModifiedNotice,
  encodePermissionNotice: notices.encodePermissionNotice,
  encodeKickNotice: notices.encodeKickNotice,
  encodeMessagesModifiedNotice: notices.encodeMessagesModifiedNotice,
};

function encode(name: string, args: unknown): string {
  const data = dataEncoders[name];
  if (data) {
    const call = args as ReplyCall; // the vectors that name a data encoder hold a reply
    return replies.encodeReply({
      ...call,
      ...replies.response(...call.response),
      data: data(...(call.data as never[])), // see Encoder
    });
  }
  const primitive = primitiveEncoders[name];
  assert.ok(primitive, `no encoder ${name}`);
  return primitive(...(args as never[])); // see Encoder
}

const names = readdirSync(folder)
  .filter((file) => file.endsWith(".xml"))
  .map((file) => file.slice(0, -".xml".length));

test("there are vectors of every kind", () => {
  for (const kind of ["client", "post", "form", "invalid", "hostile", "server"]) {
    assert.ok(names.filter((name) => name.startsWith(`${kind}-`)).length >= 5, kind);
  }
});

for (const name of names) {
  const body = readFileSync(new URL(`${name}.xml`, folder));
  const vector = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as Vector; // our own file

  if (vector.encode !== undefined) {
    test(`${name.replaceAll("-", " ")} is written byte for byte`, () => {
      const encoded = encodeEnvelope("9001", encode(vector.encode ?? "", vector.with));
      assert.equal(encoded, body.toString("utf8").trimEnd());
      assert.doesNotThrow(() => parseXml(body));
    });
  } else if (vector.error) {
    const { code, reason } = vector.error;
    test(`${name.replaceAll("-", " ")} is refused as ${code}`, () => {
      assert.throws(
        () => decodeEnvelope(body),
        (error) => error instanceof XccosError && error.code === code && error.reason === reason,
      );
    });
  } else {
    test(`${name.replaceAll("-", " ")} decodes`, () => {
      const decoded: unknown = JSON.parse(JSON.stringify(decodeEnvelope(body)));
      assert.deepEqual(decoded, vector.envelope);
    });
  }
}
