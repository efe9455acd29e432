import { beforeAll, describe, it } from "vitest";
import { reset } from "../support/world.ts";
import { expectBothAgree } from "./agree.ts";
import { runs } from "./arbitraries.ts";
import { counterExamples } from "./counter-examples.ts";
import { preparePlayer } from "./play.ts";
import { holds, seed, timeout } from "./random-runs.ts";

const RUNS = 1_000;

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
    `agree after every command of random runs (MODEL_SEED=${seed})`,
    () => holds(runs, expectBothAgree, RUNS),
    timeout,
  );
});
