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

/** The loser of a race is told so, or gives up where it has to (hurries). */
const EXPECTED =
  /ERROR: {2}(Task \S+ is|There is no task|Stop: task|Another session holds|current transaction is aborted|.* lock timeout)/;

/**
 * Plays the specification. `tolerated` is one more error that a session may end
 * with.
 */
export async function play(
  specification: string,
  dbUrl: string,
  tolerated = EXPECTED,
): Promise<Played> {
  // One stream: what a teardown complains of belongs to its permutation.
  const shell = ["-c", 'exec "$0" "$1" 2>&1', ISOLATIONTESTER, dbUrl];
  const child = spawn("/bin/sh", shell, {
    env: { PGISOLATIONTIMEOUT: "5" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(specification);
  const ended = new Promise<number | null>((resolve, reject) =>
    child.on("error", reject).on("close", resolve)
  );
  const [code, output] = await Promise.all([ended, text(child.stdout)]);
  const [begin = "", ...permutations] = output.split("starting permutation: ");
  return {
    permutations: permutations.length,
    complaints: [
      ...permutations.flatMap((permutation) =>
        errorsIn(permutation)
          .filter((line) => !EXPECTED.test(line) && !tolerated.test(line))
          .map((line) => `${permutation.split("\n", 1)}: ${line}`)
      ),
      ...(code === 0 ? [] : [`${begin}\nisolationtester ended with ${code}`]),
    ],
  };
}

function errorsIn(permutation: string): string[] {
  return permutation.split("\n")
    .filter((line) => /ERROR:|FATAL:/.test(line));
}
