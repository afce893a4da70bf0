import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeProvisioning } from "../../../src/xccos/provisioning.ts";
import { parseXml } from "../../../src/xccos/xml.ts";

function properties(xml: string): [string | undefined, string][] {
  const group = parseXml(Buffer.from(xml)).children[0];
  assert.equal(group?.attributes.get("name"), "persistentChatConfiguration");
  const list = group?.children[0];
  assert.equal(list?.name, "propertyEntryList");
  return (list?.children ?? []).map((property) => [property.attributes.get("name"), property.text]);
}

test("chat is enabled by the word true in lower case, beside the pool URI", () => {
  const xml = encodeProvisioning({ enabled: true, poolUri: "sip:pchat@example.com" });
  const root = parseXml(Buffer.from(xml));
  assert.equal(root.name, "provisionGroupList");
  assert.equal(root.namespace, "http://schemas.microsoft.com/2006/09/sip/provisiongrouplist-notification");
  assert.deepEqual(properties(xml), [
    ["EnablePersistentChat", "true"],
    ["DefaultPersistentChatPoolUri", "sip:pchat@example.com"],
  ]);
});

test("there is one group, and no ServerConfiguration among it", () => {
  const xml = encodeProvisioning({
    enabled: false,
    poolUri: "sip:pchat@example.com",
    poolUris: ["sip:pchat@example.com", "sip:pchat2@example.com"],
    webManagerUrl: "https://chat.example.com/?a=1&b=2",
  });
  assert.equal(parseXml(Buffer.from(xml)).children.length, 1);
  assert.doesNotMatch(xml, /ServerConfiguration/);
  assert.deepEqual(properties(xml), [
    ["EnablePersistentChat", "false"],
    ["DefaultPersistentChatPoolUri", "sip:pchat@example.com"],
    ["PersistentChatPoolUris", "sip:pchat@example.com sip:pchat2@example.com"],
    ["PersistentChatWebManagerUriInt", "https://chat.example.com/?a=1&b=2"],
    ["PersistentChatWebManagerUriExt", "https://chat.example.com/?a=1&b=2"],
  ]);
});
