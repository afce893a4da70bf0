/** Text as an XML 1.0 attribute value, and whether something of it could not be written. */
export interface AttributeText {
  readonly xml: string;
  /** A character was replaced: XML 1.0 §2.2 has no way to write it, not even as a reference. */
  readonly lossy: boolean;
}

// XML 1.0 §2.2: every C0 control but TAB, LF and CR is no Char; nor are U+FFFE, U+FFFF and halves of surrogate pairs.
const illegal =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const special = /[&<>"\n\r\t]/g;

const references: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  // XML 1.0 §3.3.3: unescaped, a parser would turn these three into blanks.
  "\n": "&#xA;",
  "\r": "&#xD;",
  "\t": "&#x9;",
};

/** For use between double quotes. */
export function attributeText(value: string): AttributeText {
  const legal = value.replace(illegal, "\ufffd");
  return { xml: legal.replace(special, (char) => references[char] ?? char), lossy: legal !== value };
}

/** For attributes of type anyURI: what RFC 3986 does not allow is percent-encoded, so that a validator takes it. */
export function attributeUri(value: string): AttributeText {
  const uri = value
    .replace(illegal, "\ufffd")
    .replace(/%(?![0-9A-Fa-f]{2})/g, "%25")
    .replace(/[^A-Za-z0-9\-._~:/?@!$&'()*+,;=%]/gu, (char) => encodeURIComponent(char));
  return { xml: attributeText(uri).xml, lossy: uri !== value };
}
