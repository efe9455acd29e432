import { isDeepStrictEqual } from "node:util";
import { parse } from "smol-toml";

/** What `supabase/config.toml` says of the queue's function, beside the comment. */
const BLOCK = [
  "# The task queue. Its function checks callers itself: not all of its keys and tokens are JWTs.",
  "[functions.fairlane]",
  "enabled = true",
  "verify_jwt = false",
  'import_map = "./functions/fairlane/deno.json"',
  'entrypoint = "./functions/fairlane/index.js"',
];

/** A `config.toml` that no edit of ours can keep as it is. */
export class UnreadableConfig extends Error {}

/** Whether it says something of a function of this name. */
export function namesFunction(config: string | undefined): boolean {
  return functionOf(config ?? "") !== undefined;
}

/**
 * The config with the block at its end, else as it was, to the byte. One that
 * has a block, ours or an edited one, stays as it is. Without a config there is
 * a new one for a project of this name.
 */
export function withFunction(
  config: string | undefined,
  projectName: string,
): string {
  if (config === undefined) {
    return `project_id = ${JSON.stringify(projectName)}\n\n${block("\n")}\n`;
  }
  if (namesFunction(config)) return config;
  const end = endOfLine(config);
  // A file that does not end its last line does not do so afterwards either.
  const edited = config === "" || config.endsWith(end)
    ? `${config}${end}${block(end)}${end}`
    : `${config}${end}${end}${block(end)}`;
  refuseOtherChanges(config, edited);
  return edited;
}

/** The config without the block, else as it is, to the byte. */
export function withoutFunction(config: string): string {
  if (!namesFunction(config)) return config;
  const end = endOfLine(config);
  const ours = block(end);
  const edited = config.endsWith(ours)
    ? config.slice(0, -ours.length).replace(new RegExp(`(?:${end}){1,2}$`), "")
    : config.includes(`${end}${ours}${end}`)
    ? config.replace(`${end}${ours}${end}`, "")
    : withoutTable(config, end);
  refuseOtherChanges(edited, config);
  return edited;
}

/** A block that somebody has edited: up to the next table, but not the comments before that. */
function withoutTable(config: string, end: string): string {
  const lines = config.split(end);
  const from = lines.findIndex((line) =>
    /^\s*\[\s*functions\s*\.\s*("?)fairlane\1\s*\]/.test(line)
  );
  if (from < 0) throw unreadable();
  const length = lines.slice(from + 1).findIndex((line) => /^\s*\[/.test(line));
  let to = length < 0 ? lines.length : from + 1 + length;
  while (to > from + 1 && /^\s*(?:#.*)?$/.test(lines[to - 1] ?? "")) to--;
  const first = lines[from - 1] === BLOCK[0] ? from - 1 : from;
  return [...lines.slice(0, first), ...lines.slice(to)].join(end);
}

/** Refuses an edit that changed more than this function. */
function refuseOtherChanges(without: string, withIt: string): void {
  const { functions = {}, ...others } = tables(withIt);
  const { fairlane, ...otherFunctions } = functions;
  const { functions: before, ...othersBefore } = tables(without);
  const isSame = fairlane !== undefined &&
    isDeepStrictEqual(others, othersBefore) &&
    isDeepStrictEqual(otherFunctions, { ...before });
  if (!isSame) throw unreadable();
}

function functionOf(config: string): unknown {
  return tables(config).functions?.["fairlane"];
}

interface Tables extends Record<string, unknown> {
  readonly functions?: Readonly<Record<string, unknown>>;
}

function tables(config: string): Tables {
  try {
    return parse(config) as Tables;
  } catch (error) {
    throw new UnreadableConfig(
      `supabase/config.toml is not valid TOML: ${
        error instanceof Error ? error.message.split("\n")[0] : error
      }`,
    );
  }
}

function unreadable(): UnreadableConfig {
  return new UnreadableConfig(
    `supabase/config.toml cannot be edited safely. Edit it by hand; the block is:\n${
      block("\n")
    }`,
  );
}

function block(end: string): string {
  return BLOCK.join(end);
}

function endOfLine(text: string): "\r\n" | "\n" {
  return text.includes("\r\n") ? "\r\n" : "\n";
}
