import { beforeAll, describe, expect, it } from "vitest";
import { reset } from "../support/world.ts";
import { CARRIED_OUT, FAULTS } from "./faults.ts";
import type { Outcome } from "./outcome.ts";
import { play } from "./play.ts";
import { completions } from "./gpu-stories.ts";

beforeAll(reset);

// All three tries of a worker meet with the same fault; then it reports that
// the completion has failed.
describe.each(completions)("$name", (story) => {
  const { struck, calls } = story;
  let clean: Outcome;
  beforeAll(async () => {
    clean = await play(story);
  });

  it.each(struck === "complete-task" ? CARRIED_OUT : [])(
    "and stays Complete when its completion is %s each time",
    async (fault) => {
      const plan = { struck, call: calls, fault, requests: Infinity };
      expect(await play(story, plan)).toEqual(clean);
    },
  );

  it.each(FAULTS.filter((fault) => !CARRIED_OUT.includes(fault)))(
    "and has failed, with a reason, when the first call is %s each time",
    async (fault) => {
      const plan = { struck, call: 1, fault, requests: Infinity };
      const { tasks, ...rest } = await play(story, plan);
      expect(tasks).toMatchObject([{
        status: "Failed",
        error_message: expect.stringContaining(`${struck}: no answer`),
        generation_created: false,
      }]);
      expect(rest).toMatchObject({ generations: [], drift: [] });
      // What was PUT before stays in the task's folder.
      const isUploaded = story.name.includes("uploaded");
      expect(rest.files).toEqual(isUploaded ? clean.files : []);
    },
  );
});
