import process from "node:process";
import fc from "fast-check";

/**
 * Where random runs begin when nobody says: in CI always in the same place, so
 * that no merge fails for what it did not change; elsewhere in a new one.
 */
export const anySeed = process.env["CI"] === "true"
  ? 20_261_123
  : Date.now() % 1e9;

/** What a failing run is repeated with: MODEL_SEED, MODEL_PATH, MODEL_RUNS. */
export const seed = Number(process.env["MODEL_SEED"] ?? anySeed);
const path = process.env["MODEL_PATH"];

const DEFAULT_RUNS = 150;
/** Much more than any machine needs; also for finding the smallest that fails. */
const MAX_SECONDS = Number(process.env["MODEL_SECONDS"] ?? 600);

/** Milliseconds that a test with one of these properties may take. */
export const timeout = (MAX_SECONDS + 20) * 1000;

/** Whether a property holds for random values; shows the smallest that fails. */
export async function holds<T>(
  arbitrary: fc.Arbitrary<T>,
  check: (value: T) => Promise<void>,
  runs = DEFAULT_RUNS,
): Promise<void> {
  await fc.assert(fc.asyncProperty(arbitrary, check), {
    seed,
    ...(path === undefined ? {} : { path }),
    numRuns: Number(process.env["MODEL_RUNS"] ?? runs),
    // Shrinking ends in time as well, with the smallest value so far.
    interruptAfterTimeLimit: MAX_SECONDS * 1000,
    markInterruptAsFailure: true,
    verbose: 0,
  });
}
