import type { CliCommand } from "./configured.ts";

/** What may stand in one place of a command line: words to choose from, or the name of a file, or what only the user knows. */
type Place = readonly string[] | "file";

interface Completed {
  /** With their dashes. */
  readonly options: readonly string[];
  /** Of options that take one, where something can be offered. */
  readonly values: ReadonlyMap<string, Place>;
  /** Options whose next word is their value. */
  readonly valued: readonly string[];
  readonly places: readonly Place[];
}

const CHOICE = /^[a-z][a-z-]*$/;

/** `open|closed` are words to choose from, `NAME|none` is one of them, `FILE` and `FILE.csv` are files. */
function placeOf(text: string): Place {
  if (/^FILE(\.|$)/.test(text)) return "file";
  return text.includes("|") ? text.split("|").filter((word) => CHOICE.test(word)) : [];
}

/** A command's usage line says what its options and words may be. */
function completedBy(name: string, { usage, options }: CliCommand): Completed {
  const rest = usage.slice(`parlance ${name}`.length).replaceAll(/[[\]]/g, "");
  const values = new Map<string, Place>([
    ["--config", "file"],
    ["-c", "file"],
  ]);
  for (const [, option = "", value = ""] of rest.matchAll(/(--[a-z-]+) ([^\s-]\S*)/g)) {
    const place = /^[A-Z-]*FILE$/.test(value) ? "file" : placeOf(value);
    if (options[option.slice(2)]?.type === "string" && place.length > 0) values.set(option, place);
  }
  const [words = ""] = rest.split(/\s--/);
  const long = Object.keys(options).map((option) => `--${option}`);
  const strings = long.filter((option) => options[option.slice(2)]?.type === "string");
  return {
    options: [...long, "--config", "--help"].sort(),
    values,
    valued: [...strings, "--config", "-c"],
    places: words.split(/\s+/).filter(Boolean).map(placeOf),
  };
}

/** Arms of a `case`: what is alike shares one. */
function arms(entries: Iterable<readonly [key: string, text: string]>): string {
  const alike = new Map<string, string[]>();
  for (const [key, text] of entries) {
    if (text === "") continue;
    const keys = alike.get(text);
    if (keys) keys.push(key);
    else alike.set(text, [key]);
  }
  return [...alike]
    .map(([text, keys]) => `    ${keys.map((key) => `'${key}'`).join("|")}) echo '${text}' ;;\n`)
    .join("");
}

const textOf = (place: Place | undefined) => (place === "file" ? "@file" : (place ?? []).join(" "));

/**
 * A script for bash 4 or newer that completes commands, their options, the words these may be followed by, and files.
 * @param spellings every command by every spelling
 * @param shown the spellings that are offered; the others are completed too once they are typed
 */
export function bashCompletion(
  spellings: Readonly<Record<string, CliCommand>>,
  shown: readonly string[],
): string {
  const next = new Map<string, Set<string>>();
  for (const name of shown) {
    const words = name.split(" ");
    for (const [index, word] of words.entries()) {
      const before = words.slice(0, index).join(" ");
      next.set(before, (next.get(before) ?? new Set()).add(word));
    }
  }
  const official = new Map(shown.map((name) => [spellings[name], name]));
  const commands = Object.entries(spellings).map(
    ([name, command]) => [name, completedBy(official.get(command) ?? name, command)] as const,
  );
  const per = (list: (completed: Completed) => Iterable<readonly [string, string]>) =>
    arms(
      commands.flatMap(([name, completed]) =>
        [...list(completed)].map(([key, text]) => [`${name}${key}`, text] as const),
      ),
    );
  return `# Completion of the command parlance for bash 4 and newer: source <(parlance completion bash)
# Made by parlance completion bash; make it anew after an upgrade.
_parlance_next() {
  case $1 in
${arms([...next].map(([before, words]) => [before, [...words].sort().join(" ")]))}  esac
}
_parlance_options() {
  case $1 in
${per(({ options }) => [["", options.join(" ")]])}  esac
}
_parlance_valued() {
  case $1 in
${per(({ valued }) => [["", valued.join(" ")]])}  esac
}
_parlance_value() {
  case $1 in
${per(({ values }) => [...values].map(([option, place]) => [` ${option}`, textOf(place)]))}  esac
}
_parlance_place() {
  case $1 in
${per(({ places }) => places.map((place, index) => [` ${index}`, textOf(place)]))}  esac
}
${LOGIC}`;
}

/** Bash cuts words at : and = and @ too, so that an address comes in pieces: they are put together again. */
const LOGIC = `_parlance() {
  local -a words=()
  local word glue='' cur command='' offered='' place=0 index valued=''
  for word in "\${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    if [[ $glue || $word == [:=@]* ]] && ((\${#words[@]} > 1)); then words[-1]+=$word; else words+=("$word"); fi
    if [[ $word == *[:=@] ]]; then glue=yes; else glue=''; fi
  done
  cur=\${words[-1]}
  for index in 3 2 1; do
    ((\${#words[@]} > index + 1)) || continue
    word="\${words[*]:1:index}"
    if [[ $(_parlance_options "$word") ]]; then command=$word; break; fi
  done
  COMPREPLY=()
  if [[ ! $command ]]; then
    if [[ $cur == -* ]]; then offered=--help; else offered=$(_parlance_next "\${words[*]:1:\${#words[@]}-2}"); fi
  else
    for word in "\${words[@]:index+1:\${#words[@]}-index-2}"; do
      if [[ $valued ]]; then valued=''
      elif [[ " $(_parlance_valued "$command") " == *" $word "* ]]; then valued=$word
      elif [[ $word != -* ]]; then ((place += 1)); fi
    done
    if [[ $valued ]]; then offered=$(_parlance_value "$command $valued")
    elif [[ $cur == --*=* ]]; then
      offered=$(_parlance_value "$command \${cur%%=*}")
      cur=\${cur#*=}
    elif [[ $cur == -* ]]; then offered=$(_parlance_options "$command")
    else offered=$(_parlance_place "$command $place"); fi
  fi
  if [[ $offered == @file ]]; then
    compopt -o filenames 2>/dev/null || true
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  else
    mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$cur")
  fi
}
complete -F _parlance parlance
`;
