/** The one room of the stub. */
export const STUB_ROOM = "ma-chan://example.com/7c1e0f5a";

const ROOM_BLOCK = `<chanib uri="${STUB_ROOM}" name="Night &amp; shift" description="Plant 2"><aib key="3984" value="0"/><aib key="12276" value="1"/><info id="urn:parlano:ma:info:ucnt">2</info><info id="urn:parlano:ma:info:visibilty">scoped</info><prop id="urn:parlano:ma:prop:logged">True</prop></chanib>`;
const USERS = `<uib id="0" uri="sip:alice@example.com" disname="Alice Adams"/><uib id="1" uri="sip:bob@example.com" disname="Bob Beck"/>`;

const DATA: Readonly<Record<string, (body: string) => string>> = {
  getserverinfo: () => `<sib infoType="123" searchLimit="999" messageSizeLimit="8000"/>`,
  getassociations: () => ROOM_BLOCK,
  chansrch: () => ROOM_BLOCK,
  join: () => ROOM_BLOCK + USERS,
  bjoin: () => `${ROOM_BLOCK}<fib key="OPERATION_FAILED" value="91aa" domain="example.com"/>${USERS}`,
  part: () => `<chanib uri="${STUB_ROOM}"/>`,
  bccontext: () =>
    `<chanib uri="${STUB_ROOM}"><msg id="grpchat" seqid="1" chanUri="${STUB_ROOM}" author="sip:bob@example.com" chatId="1038" ts="2026-11-23T06:02:11.0000000Z"><chat>first</chat></msg><msg id="grpchat" seqid="1" chanUri="${STUB_ROOM}" author="sip:bob@example.com" chatId="1039" ts="2026-11-23T06:02:12.0000000Z"><chat>second &lt;b&gt;</chat></msg></chanib>`,
  getinv: () =>
    `<chanib name="Night" uri="${STUB_ROOM}"><inv inviteId="17" domain="example.com" createdOn="2026-11-22T17:00:00.0000000Z"/></chanib>`,
};

/** The reply to a command's document, or undefined for a command that stays unanswered ("cmd:silence"). */
export function replyTo(body: string, poolUri: string): string | undefined {
  const name = /id="cmd:([^"]*)"/.exec(body)?.[1] ?? "";
  const envid = /envid="([^"]*)"/.exec(body)?.[1] ?? "";
  if (name === "silence") return undefined;
  const make = name === "requri" ? () => `<uib uri="${poolUri}"/>` : DATA[name];
  const resp = make
    ? `<resp code="200">SUCCESS_OK</resp>`
    : `<resp code="501">ERROR_MSG_NOT_SUPPORTED: ${name}</resp>`;
  return rplXml(name, envid, resp, make?.(body) ?? "");
}

export function rplXml(name: string, envid: string, resp: string, data: string): string {
  return `<xccos ver="1" envid="77" xmlns="urn:parlano:xml:ns:xccos"><rpl id="rpl:${name}" seqid="1"><commandid seqid="1" envid="${envid}"/>${resp}<data>${data}</data></rpl></xccos>`;
}
