import { parseArgs } from "node:util";
import { z } from "zod";

/** What the command line asks for. */
export interface DemoOptions {
  /** How many times faster than production. */
  readonly speed: number;
  readonly users: number;
  /** The most cloud workers that the autoscaler may rent. */
  readonly workers: number;
  /** Tasks that users enqueue; orchestrators add their children. */
  readonly tasks: number;
  /** The same seed, the same tasks. */
  readonly seed: number;
}

/** The command line is not one that the demo knows; its message says why. */
export class UnknownOption extends Error {}

const numbers = {
  speed: { low: 1, high: 60, fallback: 20, isWhole: false },
  users: { low: 2, high: 12, fallback: 4, isWhole: true },
  workers: { low: 1, high: 30, fallback: 6, isWhole: true },
  tasks: { low: 10, high: 2000, fallback: 80, isWhole: true },
  seed: { low: 0, high: 2 ** 32 - 1, fallback: 1, isWhole: true },
} as const;

/** The demo's help text. */
export const usage =
  `npm run demo -- [--speed 20] [--users 4] [--workers 6] [--tasks 80] [--seed 1]

Starts a stack of its own, lets users enqueue tasks, drains them over HTTP with
simulated workers, one of which dies, and checks what came of it against the
database. Nothing is left running, and nothing is kept.

  --speed    times faster than production, 1 to 60: work, beats and limits alike
  --users    2 to 12; the first two also have a machine of their own
  --workers  the most cloud workers that the autoscaler may rent, 1 to 30
  --tasks    tasks that users enqueue, 10 to 2000; orchestrators add children
  --seed     the same number makes the same tasks
  --help     this text

Ctrl-C ends it early. Exit code 1: something disagrees.`;

/**
 * Reads the arguments after the file's name; "help" when that is asked for.
 *
 * @throws {UnknownOption} with one sentence for the user
 */
export function readOptions(args: string[]): DemoOptions | "help" {
  const values = parse(args);
  if (values.help) return "help";
  const read = (name: keyof typeof numbers) =>
    readNumber(name, values[name] ?? numbers[name].fallback);
  return {
    speed: read("speed"),
    users: read("users"),
    workers: read("workers"),
    tasks: read("tasks"),
    seed: read("seed"),
  };
}

function parse(args: string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args,
      options: {
        speed: text,
        users: text,
        workers: text,
        tasks: text,
        seed: text,
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    // Node adds advice about "--" to its first sentence.
    const [words = ""] = String((error as Error).message).split(/\. |\n/);
    throw new UnknownOption(words);
  }
}

function readNumber(
  name: keyof typeof numbers,
  given: string | number,
): number {
  const { low, high, isWhole } = numbers[name];
  const kind = isWhole ? "whole number" : "number";
  const rule = `must be a ${kind} from ${low} to ${high}`;
  const parsed = z.coerce.number().min(low).max(high)
    .refine((value) => !isWhole || Number.isInteger(value))
    // An empty text would be read as 0.
    .safeParse(given === "" ? NaN : given);
  if (parsed.success) return parsed.data;
  throw new UnknownOption(`--${name} ${rule}, not "${given}"`);
}
