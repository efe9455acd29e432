import {
  everyday,
  everything,
  otherCorners,
  type Plan,
  stepNames,
} from "./plan.ts";

/** What these arguments ask for: all of `npm test`, the rest, or some steps. */
export function planOf(args: readonly string[]): Plan {
  if (args.length === 1 && args[0] === "--other-corners") return otherCorners;
  const only = parseOnly(args, stepNames);
  if (only === undefined) return everyday;
  const isWanted = ({ name }: { readonly name: string }) => only.has(name);
  return {
    crews: everything.crews.map(({ lanes, beside, files, steps }) => ({
      lanes: lanes.map((lane) => ({
        ...lane,
        steps: lane.steps.filter(isWanted),
      })),
      beside: beside.filter(isWanted),
      files: files.filter(isWanted),
      steps: steps.filter(isWanted),
    })),
    last: everything.last.filter(isWanted),
  };
}

/** The names after `--only`, or undefined when everything is to run. */
export function parseOnly(
  args: readonly string[],
  known: readonly string[],
): ReadonlySet<string> | undefined {
  if (args.length === 0) return undefined;
  const [flag = "", value] = args;
  const [name, inline] = flag.split("=", 2);
  const list = inline ?? value;
  const expected = inline === undefined ? 2 : 1;
  if (name !== "--only" || !list || args.length !== expected) {
    throw new UsageError(usage(known));
  }
  const chosen = list.split(",").map((word) => resolve(word.trim(), known));
  return new Set(chosen);
}

/** The command line asks for something that does not exist. */
export class UsageError extends Error {}

/** Short names that fingers know. */
const ALIASES: Readonly<Record<string, string>> = {
  db: "database",
  types: "generated-types",
  diff: "migrations-equal-schemas",
};

function resolve(word: string, known: readonly string[]): string {
  const name = ALIASES[word] ?? word;
  if (known.includes(name)) return name;
  throw new UsageError(`Unknown step "${word}". ${usage(known)}`);
}

function usage(known: readonly string[]): string {
  return `Use: npm run check -- --only step,step\nSteps: ${known.join(", ")}`;
}
