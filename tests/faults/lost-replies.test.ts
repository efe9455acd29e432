import { beforeAll, describe, expect, it } from "vitest";
import { reset } from "../support/world.ts";
import type { Outcome } from "./outcome.ts";
import { cells, play } from "./play.ts";
import { gpuStories } from "./gpu-stories.ts";

beforeAll(reset);

// Clients repeat what was not answered. One fault, whichever, and nobody can
// see later that there was one.
describe.each(gpuStories)("$name", (story) => {
  let clean: Outcome;
  beforeAll(async () => {
    clean = await play(story);
  });

  it.each(cells(story))("$struck, call $call, is $fault once", async (cell) => {
    expect(await play(story, { ...cell, requests: 1 })).toEqual(clean);
  });
});
