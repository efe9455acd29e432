import { parseArgs } from "node:util";

/** What the command line asks for. */
export interface BenchOptions {
  /** Three minutes instead of half an hour. */
  quick: boolean;
  /** Write the results into bench/results.md. */
  write: boolean;
  /** The sections to run; empty = all. */
  only: string[];
  /** The shapes that claims are measured in, as `1M/10k/even`; empty = all. */
  shapes: string[];
}

/** The bench's help text. */
export const usage =
  `npm run bench -- [--quick] [--write] [--shape 1M/10k/even ...] [section ...]

  --quick   small backlogs, three minutes; prints, and writes only with --write
  --write   put all results into bench/results.md (the full run always does)
  --shape   claims in this shape only, as backlog/users/distribution; prints only

Sections: claims, ways, counts, completes, idle, instructions,
  horizon, durable, cleanup, storm`;

/** Reads the arguments after the file's name. */
export function readOptions(args: string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: "boolean" },
      write: { type: "boolean" },
      shape: { type: "string", multiple: true },
    },
  });
  const quick = values.quick ?? false;
  const shapes = values.shape ?? [];
  const isWhole = positionals.length === 0 && shapes.length === 0;
  return {
    quick,
    // A part of the bench is no document.
    write: isWhole && (values.write ?? !quick),
    only: positionals,
    shapes,
  };
}
