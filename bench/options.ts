import { parseArgs } from "node:util";

/** What the command line asks for. */
export interface BenchOptions {
  /** Three minutes instead of half an hour. */
  quick: boolean;
  /** Write the results into docs/performance.md. */
  write: boolean;
  /** The sections to run; empty = all. */
  only: string[];
}

/** The bench's help text. */
export const usage = `npm run bench -- [--quick] [--write] [section ...]

  --quick   small backlogs, three minutes; prints, and writes only with --write
  --write   put all results into docs/performance.md (the full run always does)

Sections: claims, ways, counts, completes, idle, horizon, durable`;

/** Reads the arguments after the file's name. */
export function readOptions(args: string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { quick: { type: "boolean" }, write: { type: "boolean" } },
  });
  const quick = values.quick ?? false;
  return {
    quick,
    // A part of the bench is no document.
    write: positionals.length === 0 && (values.write ?? !quick),
    only: positionals,
  };
}
