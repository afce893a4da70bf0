/**
 * What of a text can be found: its words, taken apart the same way when it is indexed and when it is asked for.
 *
 * A word is a run of letters, marks and digits. Scripts that are written without blanks between words have single characters and
 * pairs of neighbours instead; a symbol, an emoji for instance, stands for itself. Punctuation separates and cannot be found alone.
 * Not Intl.Segmenter: its dictionaries differ between releases of Node.js, and what one node indexes another must find.
 */

// The classes below stay the same for every character of Unicode 15, which is the oldest that Node.js 20 comes with.
const TOKEN = /[\p{L}\p{M}\p{N}]+|\p{S}|\p{Extended_Pictographic}/gu;
const WORD_CHARACTER = /^[\p{L}\p{M}\p{N}]$/u;
const UNSPACED =
  "\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Bopomofo}\\p{scx=Hangul}\\p{scx=Yi}" +
  "\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}\\p{scx=Tibetan}";
const IS_UNSPACED = new RegExp(`[${UNSPACED}]`, "u");
const SCRIPT_RUNS = new RegExp(`[${UNSPACED}]+|[^${UNSPACED}]+`, "gu");
/** Soft hyphens, and what asks for a picture or a letter form of the same character. */
const INVISIBLE = /\u00ad|\ufe0e|\ufe0f/g;

/** May be made of others: №, ™, ㎏, ½, Ⓐ, ´ (a blank and a mark), and the two signs that are whole sentences. */
const SIGN = /(?![\0-\x7f])[\p{S}\p{P}\p{No}\ufdfa\ufdfb]/gu;
const IN_ONE_WORD = /^[\p{L}\p{M}\p{N}]+$/u;
const IS_NUMBER = /^\p{No}$/u;
/** Between a sign and its neighbours; no client can post a NUL. */
const EDGE = "\0";
const WORD = `(?![${UNSPACED}])[\\p{L}\\p{M}\\p{N}]`;
const NO_EDGE = new RegExp(`(?<!${WORD})\0|\0(?!${WORD})`, "gu");

/**
 * Equal for texts that look the same: composed and full-width forms are one. A sign counts as what it is made of, but is no part of
 * the word beside it: 5 is found in №5, and Parlance in Parlance™.
 */
export function composed(text: string): string {
  if (isAscii(text)) return text;
  const visible = text.replace(INVISIBLE, "").normalize("NFC");
  const plain = visible.normalize("NFKC");
  if (plain === visible) return plain;
  const apart = visible.replace(SIGN, (sign) => {
    const parts = sign.normalize("NFKC");
    if (parts === sign || (IS_NUMBER.test(sign) && IN_ONE_WORD.test(parts))) return sign;
    return EDGE + sign + EDGE;
  });
  return apart === visible ? plain : apart.normalize("NFKC").replace(/\0+/g, EDGE).replace(NO_EDGE, "");
}

/** The same, and blanks of every kind and number are one. */
export function normalized(text: string): string {
  return composed(text).replace(/\s+/g, " ");
}

/**
 * Without regard to case, of what `composed` gave. By way of capitals: ß, ẞ and SS are one, and so are σ and ς, i and ı. Composed
 * there, because capitals of ΐ and others come in parts and are typed with fewer.
 */
export function folded(text: string): string {
  if (isAscii(text)) return text.toLowerCase();
  return text.toLowerCase().toUpperCase().normalize("NFC").toLowerCase().replaceAll("ς", "σ");
}

/** True when both characters (code points) belong to one word: none begins or ends between them. */
export function isOneWord(before: number, after: number): boolean {
  return isWordCharacter(before) && isWordCharacter(after);
}

function isWordCharacter(code: number): boolean {
  if (code < 0x80) return isAsciiWordCharacter(code);
  const character = String.fromCodePoint(code);
  return WORD_CHARACTER.test(character) && !IS_UNSPACED.test(character);
}

/** Terms of a text, each once: 32 bits stand for a word. Two words may share one, so whoever finds by terms looks at the text too. */
export function termsOf(text: string): Set<number> {
  const terms = new Set<number>();
  if (isAscii(text)) {
    addAsciiTerms(text, terms);
    return terms;
  }
  for (const [run] of folded(composed(text)).matchAll(TOKEN)) addRun(run, terms);
  return terms;
}

/** The term that stands for an author: a message has it beside those of its text. */
export function authorTerm(authorId: number): number {
  return hashOf(`\0author ${authorId}`); // no word holds a NUL
}

function addRun(run: string, terms: Set<number>): void {
  if (!IS_UNSPACED.test(run)) {
    terms.add(hashOf(run));
    return;
  }
  for (const [part] of run.matchAll(SCRIPT_RUNS)) {
    if (!IS_UNSPACED.test(part)) {
      terms.add(hashOf(part));
      continue;
    }
    let before = "";
    for (const character of part) {
      terms.add(hashOf(character));
      if (before !== "") terms.add(hashOf(before + character));
      before = character;
    }
  }
}

/** The same terms as above in one pass: most of what is said is ASCII, and every message comes through here. */
function addAsciiTerms(text: string, terms: Set<number>): void {
  let hash = HASH_START;
  let inWord = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isAsciiWordCharacter(code)) {
      hash = hashStep(hash, code >= 0x41 && code <= 0x5a ? code | 0x20 : code);
      inWord = true;
      continue;
    }
    if (inWord) terms.add(hashEnd(hash));
    inWord = false;
    hash = HASH_START;
    if (ASCII_SYMBOLS.has(code)) terms.add(hashEnd(hashStep(HASH_START, code)));
  }
  if (inWord) terms.add(hashEnd(hash));
}

const ASCII_SYMBOLS: ReadonlySet<number> = new Set([..."$+<=>^`|~"].map((one) => one.charCodeAt(0)));

function isAsciiWordCharacter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a);
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

// FNV-1a over UTF-16 units, its bits mixed in the end. The index on disk is made of these numbers.
const HASH_START = 0x811c9dc5;

function hashStep(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193);
}

function hashEnd(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}

function hashOf(word: string): number {
  let hash = HASH_START;
  for (let at = 0; at < word.length; at++) hash = hashStep(hash, word.charCodeAt(at));
  return hashEnd(hash);
}
