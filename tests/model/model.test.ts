import process from "node:process";
import fc from "fast-check";
import { beforeAll, describe, it } from "vitest";
import { anySeed } from "../property/random-runs.ts";
import { reset } from "../support/world.ts";
import { expectBothAgree } from "./agree.ts";
import { runs } from "./arbitraries.ts";
import { counterExamples } from "./counter-examples.ts";
import { preparePlayer } from "./play.ts";

/** What a failing run is repeated with: MODEL_SEED, MODEL_PATH, MODEL_RUNS. */
const seed = Number(process.env["MODEL_SEED"] ?? anySeed);
const path = process.env["MODEL_PATH"];
const numRuns = Number(process.env["MODEL_RUNS"] ?? 1_000);
const MAX_SECONDS = Number(process.env["MODEL_SECONDS"] ?? 420);

// Everything is counted, so nothing may be left from another suite.
beforeAll(async () => {
  await reset();
  await preparePlayer();
});

describe("the queue and its model", () => {
  it.each(Object.entries(counterExamples))("agree: %s", async (_, commands) => {
    await expectBothAgree(commands);
  });

  it(
    `agree after every command of ${numRuns} random runs (MODEL_SEED=${seed})`,
    async () => {
      await fc.assert(fc.asyncProperty(runs, expectBothAgree), {
        seed,
        numRuns,
        ...(path === undefined ? {} : { path }),
        // Shrinking ends in time as well, with the smallest run so far.
        interruptAfterTimeLimit: MAX_SECONDS * 1000,
        markInterruptAsFailure: true,
        verbose: 0,
      });
    },
    (MAX_SECONDS + 30) * 1000,
  );
});
