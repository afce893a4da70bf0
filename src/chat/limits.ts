import type { AddIn } from "./add-in.ts";

/** Lync's limits, in characters. */
export const MAX_NAME = 256;
export const MAX_DESCRIPTION = 256;
export const MAX_ADD_IN_NAME = 50;
export const MAX_ADD_IN_URL = 255;

// What no display shows and XML cannot carry: control characters, and halves of surrogate pairs.
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/** Why this cannot be the name of a room or category; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (name.trim() === "" || [...name].length > MAX_NAME) return `A name has 1 to ${MAX_NAME} characters.`;
  if (UNPRINTABLE.test(name)) return "A name has no control characters.";
  return undefined;
}

export function descriptionProblem(description: string): string | undefined {
  if ([...description].length > MAX_DESCRIPTION)
    return `A description has at most ${MAX_DESCRIPTION} characters.`;
  return UNPRINTABLE.test(description.replace(/[\r\n\t]/g, " "))
    ? "A description has no control characters."
    : undefined;
}

/** What a client can open in a browser, and XML can carry. */
export function isWebAddress(url: string, most: number): boolean {
  return (
    url.length <= most && /^https?:\/\/[^\s"<>]+$/i.test(url) && !UNPRINTABLE.test(url) && URL.canParse(url)
  );
}

export function addInProblem({ name, url }: Omit<AddIn, "id">): string | undefined {
  if (name.trim() === "" || [...name].length > MAX_ADD_IN_NAME || UNPRINTABLE.test(name))
    return `An add-in's name has 1 to ${MAX_ADD_IN_NAME} characters.`;
  if (!isWebAddress(url, MAX_ADD_IN_URL))
    return `An add-in's address begins with http:// or https:// and has at most ${MAX_ADD_IN_URL} characters.`;
  return undefined;
}
