import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/** Postgres' own player of interleavings; Debian ships it with the server. */
export const ISOLATIONTESTER =
  "/usr/lib/postgresql/15/lib/pgxs/src/test/isolation/isolationtester";

/** How a specification went. */
export interface Played {
  readonly permutations: number;
  /** What no session should have been told, and rules that did not hold. */
  readonly complaints: readonly string[];
}

/** Refusals are answers: the loser of a race is told so. */
const REFUSAL = /ERROR: {2}(Task \S+ is|There is no task|Stop: task)/;

/** Plays every permutation of the specification's steps. */
export async function play(
  specification: string,
  dbUrl: string,
): Promise<Played> {
  const child = spawn(ISOLATIONTESTER, [dbUrl], {
    // A step that waits for ever is cancelled and then ends the run.
    env: { PGISOLATIONTIMEOUT: "10" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.end(specification);
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on("error", reject).on("close", resolve)
  );
  const [code, stdout, stderr] = await Promise.all([
    ended,
    text(child.stdout),
    text(child.stderr),
  ]);
  const begins = stdout.split("starting permutation: ").slice(1);
  return {
    permutations: begins.length,
    complaints: [
      ...begins.flatMap((permutation) => errorsIn(permutation)),
      ...(stderr.trim() === "" ? [] : [stderr.trim()]),
      ...(code === 0 ? [] : [`isolationtester ended with ${code}`]),
    ],
  };
}

function errorsIn(permutation: string): string[] {
  const lines = permutation.split("\n");
  return lines
    .filter((line) => /ERROR:|FATAL:/.test(line) && !REFUSAL.test(line))
    .map((line) => `${lines[0]}: ${line}`);
}
