// XML 1.0 §2.2: everything outside Char, lone surrogates included, cannot be written in any form.
const IN_TEXT = /[&<>\r]|[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;
const IN_ATTRIBUTE = /[&<>"'\t\n\r]|[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
  "\t": "&#x9;",
  "\n": "&#xA;",
  "\r": "&#xD;",
};

function escapeCharacter(character: string): string {
  return ESCAPES[character] ?? "\uFFFD";
}

/**
 * Text for element content. What a parser gave comes back from a parser unchanged: CR leaves as a
 * reference, since XML 1.0 §2.11 would turn it into LF; LF stays literal. What XML cannot hold becomes U+FFFD.
 */
export function escapeText(text: string): string {
  return text.replace(IN_TEXT, escapeCharacter);
}

/** Text for an attribute in double quotes. Tab, LF and CR leave as references, else XML 1.0 §3.3.3 makes them blanks. */
export function escapeAttribute(text: string): string {
  return text.replace(IN_ATTRIBUTE, escapeCharacter);
}

/** Attributes in writing order; undefined ones are left out. */
export type XmlAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * One element as text.
 *
 * @param name a literal of this program, written as it is
 * @param content markup that is already escaped; "" writes an empty-element tag
 */
export function element(name: string, attributes: XmlAttributes, content = ""): string {
  let tag = `<${name}`;
  for (const key in attributes) {
    const value = attributes[key];
    if (value !== undefined) tag += ` ${key}="${escapeAttribute(String(value))}"`;
  }
  return content === "" ? `${tag}/>` : `${tag}>${content}</${name}>`;
}
