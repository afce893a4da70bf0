/**
 * What a history search must find, by the words of docs/protocol.md and by nothing of the server: texts are taken apart into pieces,
 * and a word or a phrase is found where its pieces stand one behind the other.
 */

export interface Asked {
  readonly text: string;
  readonly match: "any" | "all" | "phrase";
  readonly caseSensitive: boolean;
}

export interface AskedHistory extends Asked {
  readonly authors: readonly string[];
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly start: number | null;
  readonly backwards: boolean;
  readonly limit: number;
}

interface Piece {
  readonly kind: "word" | "symbol" | "blank" | "punctuation";
  readonly text: string;
}

const LETTER_OR_DIGIT = /^[\p{L}\p{M}\p{N}]$/u;
const SYMBOL = /^[\p{S}\p{Extended_Pictographic}]$/u;
const BLANK = /^\s$/u;
const WITHOUT_BLANKS =
  /^[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Hang}\p{scx=Yiii}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tibt}]$/u;
/** Nobody sees them: the soft hyphen, and what says whether a character is a picture. */
const UNSEEN = "\u00ad\ufe0e\ufe0f";

/** A query that holds no word and no symbol. */
export function asksForNothing(asked: Asked): boolean {
  return needlesOf(asked).length === 0;
}

export function isFoundIn(asked: Asked, text: string): boolean {
  const needles = needlesOf(asked);
  const pieces = piecesOf(text, asked.caseSensitive);
  const stands = (needle: readonly Piece[]) =>
    pieces.some((_, at) => needle.every((piece, place) => pieces[at + place]?.text === piece.text));
  return asked.match === "any" ? needles.some(stands) : needles.every(stands);
}

/** Whether a message is one that is asked for; limits aside. */
export function isAskedFor(
  asked: AskedHistory,
  message: { readonly author: string; readonly atMs: number; readonly number: number; readonly text: string },
): boolean {
  const { authors, fromMs, toMs, start, backwards } = asked;
  if (authors.length > 0 && !authors.includes(message.author)) return false;
  if (message.atMs < (fromMs ?? 0) || message.atMs > (toMs ?? Number.POSITIVE_INFINITY)) return false;
  if (start !== null && (backwards ? message.number > start : message.number < start)) return false;
  return asked.text === "" || isFoundIn(asked, message.text);
}

/** Words without what punctuation stands around them, or the phrase as it stands. */
function needlesOf({ text, match, caseSensitive }: Asked): Piece[][] {
  const words: Piece[][] = [[]];
  for (const piece of piecesOf(text, caseSensitive)) {
    if (piece.kind === "blank" && match !== "phrase") words.push([]);
    else words.at(-1)?.push(piece);
  }
  const isFindable = ({ kind }: Piece) => kind === "word" || kind === "symbol";
  return words
    .filter((word) => word.some(isFindable))
    .map((word) =>
      match === "phrase" ? trimmed(word, ({ kind }) => kind !== "blank") : trimmed(word, isFindable),
    );
}

function trimmed(pieces: readonly Piece[], stays: (piece: Piece) => boolean): Piece[] {
  return pieces.slice(pieces.findIndex(stays), pieces.findLastIndex(stays) + 1);
}

/** Words, characters of scripts without blanks, symbols, marks of punctuation, and blanks of any number as one. */
function piecesOf(text: string, caseSensitive: boolean): Piece[] {
  const pieces: Piece[] = [];
  for (const stretch of stretchesOf(text)) {
    const isFirst = { ofStretch: true };
    for (const character of caseSensitive ? stretch : inCapitals(stretch)) {
      const last = pieces.at(-1);
      if (LETTER_OR_DIGIT.test(character) && !WITHOUT_BLANKS.test(character)) {
        const goesOn =
          !isFirst.ofStretch && last?.kind === "word" && !WITHOUT_BLANKS.test(last.text.slice(-1));
        if (goesOn) pieces.pop();
        pieces.push({ kind: "word", text: (goesOn ? last.text : "") + character });
      } else if (LETTER_OR_DIGIT.test(character)) pieces.push({ kind: "word", text: character });
      else if (SYMBOL.test(character)) pieces.push({ kind: "symbol", text: character });
      else if (!BLANK.test(character)) pieces.push({ kind: "punctuation", text: character });
      else if (last?.kind !== "blank") pieces.push({ kind: "blank", text: " " });
      isFirst.ofStretch = false;
    }
  }
  return pieces;
}

/** In the one form that composed, decomposed and full-width characters have. Signs (№, ½, ™) count as their letters, but no word goes on over their borders. */
function stretchesOf(text: string): string[] {
  const stretches = [""];
  const isInOneWord = (form: string) => [...form].every((one) => LETTER_OR_DIGIT.test(one));
  for (const character of text.normalize("NFC")) {
    if (UNSEEN.includes(character)) continue;
    const form = character.normalize("NFKC");
    if (form !== character && !(LETTER_OR_DIGIT.test(character) && isInOneWord(form)))
      stretches.push(form, "");
    else stretches.push((stretches.pop() ?? "") + character);
  }
  return stretches.map((stretch) => stretch.normalize("NFKC"));
}

/** Letters are the same when their capitals are. */
function inCapitals(text: string): string {
  return text.replaceAll("ẞ", "ß").toUpperCase().normalize("NFC");
}
