import type { SearchOptions } from "../../plugin/client/history-search.ts";
import { benchMessage, word } from "./search-messages.ts";
import type { WorldRoom } from "./world.ts";

export type Kind = "one room" | "20 rooms" | "all rooms";

/** Words by how often they are said, and what is asked with them. */
const SHAPES: readonly {
  name: string;
  ranks: readonly [from: number, to: number];
  words: number;
  match: "ANY" | "ALL";
}[] = [
  { name: "a common word", ranks: [0, 20], words: 1, match: "ANY" },
  { name: "a usual word", ranks: [100, 1_000], words: 1, match: "ANY" },
  { name: "a rare word", ranks: [10_000, 50_000], words: 1, match: "ANY" },
  { name: "two usual words, both", ranks: [50, 500], words: 2, match: "ALL" },
  { name: "three words, any", ranks: [200, 20_000], words: 3, match: "ANY" },
];

export interface Question {
  readonly name: string;
  readonly options: SearchOptions;
  /** Of the one word that is asked for. */
  readonly rank?: number;
}

export const ONCE = "a word that stands once";

/** What is asked next: of every frequency, and of what stands in a message. */
export function question(
  kind: Kind,
  rooms: readonly WorldRoom[],
  random: () => number,
  { each, people }: { each: number; people: number },
): Question {
  const below = (most: number) => Math.floor(random() * most);
  const some = () => rooms[below(rooms.length)] as WorldRoom; // there are rooms
  const among = kind === "all rooms" ? [] : Array.from({ length: kind === "one room" ? 1 : 20 }, some);
  const common = {
    ...(among.length > 0 ? { rooms: among.map(({ uri }) => uri) } : {}),
    limit: 50,
    backwards: random() < 0.7,
    newestFirst: random() < 0.5,
  };
  const shape = SHAPES[below(SHAPES.length + 2)];
  if (!shape) {
    // Two neighbours of a message that is there, or the word that only it has.
    const room = among[0] ?? some();
    const message = benchMessage(room.id, 1 + below(each), people);
    const at = below(message.count - 1);
    const pair = `${word(message.ranks[at] ?? 0)} ${word(message.ranks[at + 1] ?? 0)}`;
    return message.name === ""
      ? { name: "a phrase of two words", options: { ...common, text: pair, match: "EXACT" } }
      : { name: ONCE, options: { ...common, text: message.name } };
  }
  const [from, to] = shape.ranks;
  const ranks = Array.from({ length: shape.words }, () => from + below(to - from));
  const options = { ...common, text: ranks.map(word).join(" "), match: shape.match };
  const [rank] = ranks;
  return { name: shape.name, options, ...(ranks.length === 1 && rank !== undefined ? { rank } : {}) };
}
