import type { SearchedCriteria } from "../../src/chat/history-search.ts";
import type { Aor } from "../../src/chat/user.ts";
import type { KnownMessage } from "./search-lab.ts";
import { asksForNothing } from "./search-oracle.ts";

/** From words that stand everywhere to words that stand once; of every script and kind. */
const VOCABULARY = (
  "the a I x 7 42 3.5 of Pump pump PUMP valve re-start don't naïve nai\u0308ve Straße STRASSE ΟΔΟΣ οδός привет ПРИВЕТ " +
  "東京都庁 京都 東京 都 サーバー 한국어 서울에서 ภาษาไทย 👍 👍🏽 ❤️ ❤ ☎ € C++ #tag @bob (valve) pump, §5 ＦＵＬＬ full １２ 12 ½ " +
  "שלום مرحبا e-mail bob@example.com https://example.com/a?b=1 ... 𝔘nicode 𠮷野家 " +
  "№5 5 50㎡ Parlance™ parlance 5½ ´Haus´ haus STRAẞE Ё\u0308 ёлка ЁЛКА élan E\u0301LAN \u03aa\u0301 ΐ İ ı snake_case snake " +
  "pump-house iPhone手机 l’eau 192.168.0.1 r\u00ad2d2 ＠home 1️⃣ 🇩🇪 か\u3099 が ｶﾞ"
).split(" ");

/** @param unique now and then a word that stands in no other text */
export function randomText(random: () => number, unique: number): string {
  const words = Array.from({ length: 1 + Math.floor(random() * 9) }, () => {
    // Rarer towards the end of the list.
    return VOCABULARY[Math.floor(random() * random() * VOCABULARY.length)] ?? "";
  });
  if (unique % 17 === 0) words.push(`u${unique}`);
  const blanks = [" ", " ", " ", "  ", "\n", "\t", "\u3000", ""];
  return words.map((word) => word + blanks[Math.floor(random() * blanks.length)]).join("") || "x";
}

/** Something to ask of messages like these, found more often than not. */
export function randomCriteria(
  random: () => number,
  people: readonly Aor[],
  known: readonly KnownMessage[],
): SearchedCriteria {
  const some = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const message = some(known);
  const tokens = message.text.split(/\s+/).filter((token) => /[\p{L}\p{N}\p{S}]/u.test(token));
  const kind = Math.floor(random() * 4);
  const words = Array.from({ length: 1 + Math.floor(random() * 3) }, () => some(VOCABULARY));
  const from = Math.floor(random() * tokens.length);
  const text =
    kind === 0
      ? ""
      : kind === 1
        ? tokens.slice(from, from + 2).join(" ")
        : kind === 2
          ? (some(tokens) ?? "")
          : words.join(" ");
  const asked = {
    text,
    match: some(["any", "all", "phrase"] as const),
    caseSensitive: random() < 0.3,
  };
  return {
    ...asked,
    text: asksForNothing(asked) ? "" : text,
    authors: random() < 0.3 ? [some(people)] : [],
    fromMs: random() < 0.3 ? message.atMs : null,
    toMs: random() < 0.3 ? message.atMs + 300_000 : null,
    start: random() < 0.2 ? message.number : null,
    backwards: random() < 0.5,
    limit: some([1, 3, 20, 500]),
  };
}
