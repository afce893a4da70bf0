/** What can stand in one line of a transcript. */
export type TranscriptKind = "said" | "heard" | "entered" | "left" | "read" | "refused" | "note";

/** One person's act: returns what the transcript shows, throws when it did not come about. */
export interface Step {
  /** Who acts: "Alice". */
  readonly who: string;
  readonly kind: TranscriptKind;
  /** Shown room name; "" for none. */
  readonly room?: string;
  /** Does it and returns the words of the line. Has its own time limit. */
  run(): Promise<string>;
}

export interface TranscriptOptions {
  /** Where the lines go, without a line end. Default: standard output. */
  readonly print?: (line: string) => void;
  /** Check marks and colours. Default false: plain lines. */
  readonly fancy?: boolean;
  /** Time shown in front of each line. Default: the system's clock. */
  readonly now?: () => Date;
}

export interface ConversationResult {
  readonly done: number;
  /** What the first failed step said; undefined when all went well. */
  readonly failure: { readonly who: string; readonly error: Error } | undefined;
}

const VERBS: Readonly<Record<TranscriptKind, string>> = {
  said: "says",
  heard: "reads",
  entered: "enters",
  left: "leaves",
  read: "looks back",
  refused: "is refused",
  note: "",
};

/** Whether marks beyond ASCII can be shown: a terminal, and a locale (LC_ALL, LC_CTYPE or LANG) that says UTF-8. */
export function isFancyTerminal(isTerminal: boolean, locale: string): boolean {
  return isTerminal && /utf-?8/i.test(locale);
}

/**
 * Runs the steps one after the other and prints each as it came about. Stops at the first failure,
 * prints it, and reports it; never throws for a step's sake.
 */
export async function runConversation(
  steps: readonly Step[],
  options: TranscriptOptions = {},
): Promise<ConversationResult> {
  const print = options.print ?? ((line: string) => void process.stdout.write(`${line}\n`));
  const fancy = options.fancy ?? false;
  const now = options.now ?? (() => new Date());
  const width = Math.max(0, ...steps.map((step) => displayWidth(step.who)));
  const roomWidth = Math.max(0, ...steps.map((step) => displayWidth(step.room ?? "")));
  let done = 0;
  for (const step of steps) {
    const line = (mark: string, words: string): string => {
      const time = now().toTimeString().slice(0, 8);
      const parts = [fancy ? `\u001b[2m${time}\u001b[0m` : time, pad(step.who, width)];
      if (roomWidth > 0) parts.push(pad(step.room ?? "", roomWidth));
      const verb = VERBS[step.kind];
      parts.push([verb, printable(words)].filter((piece) => piece !== "").join(verb === "" ? "" : ": "));
      return [mark, parts.join("  ")]
        .filter((piece) => piece !== "")
        .join(" ")
        .trimEnd();
    };
    try {
      const words = await step.run();
      print(line(fancy ? "\u001b[32m✓\u001b[0m" : "", words));
      done += 1;
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      print(line(fancy ? "\u001b[31m✗\u001b[0m" : "FAILED", error.message));
      return { done, failure: { who: step.who, error } };
    }
  }
  return { done, failure: undefined };
}

/** Text of others must not steer the terminal: control characters and direction overrides become blanks. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, " ");
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - displayWidth(text)));
}

function displayWidth(text: string): number {
  return [...text].length;
}
