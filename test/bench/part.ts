/** What a part found out. */
export interface PartResult {
  /** Compared with the part's bar. */
  readonly ratio: number;
  /** In the order they are printed. */
  readonly figures: Readonly<Record<string, number | string>>;
  /** Conditions beside the bar that were not kept; any of them fails the part. */
  readonly broken?: readonly string[];
}

export interface PartContext {
  /** A line of progress. */
  readonly say: (text: string) => void;
  /** Folder for CPU profiles of the node; undefined: none are taken. */
  readonly profileDir: string | undefined;
}

export interface Part {
  readonly name: string;
  /** In a line: what `ratio` compares. */
  readonly about: string;
  readonly bar: number;
  readonly run: (context: PartContext) => Promise<PartResult>;
}

/** The line that is written for each part, whatever happened. */
export interface PartReport extends PartResult {
  readonly part: string;
  readonly bar: number;
  readonly pass: boolean;
}
