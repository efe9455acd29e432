import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { resetClock, stepClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { runJob } from "../support/fleet.ts";
import { createOwner, createTask, readTask, reset } from "../support/world.ts";
import { ApiOrchestrator, EXTERNAL_URL } from "./api-orchestrator.ts";
import { apiStories } from "./api-stories.ts";
import { createBackend } from "./backend.ts";
import { CARRIED_OUT, type Fault, FAULTS } from "./faults.ts";
import type { Outcome } from "./outcome.ts";
import { cells, play } from "./play.ts";

beforeAll(reset);

// It sends each request once. Without an answer it hands in the provider's URL
// instead of its file; without an answer to that, the task has failed.
describe.each(apiStories)("$name", (story) => {
  let clean: Outcome;
  beforeAll(async () => {
    clean = await play(story);
  });

  it.each(cells(story))("$struck, call $call, is $fault", async (cell) => {
    const outcome = await play(story, { ...cell, requests: 1 });

    const isCompletion = cell.struck === "complete-task" &&
      (cell.call === 0 || cell.call === story.calls);
    const isDone = isCompletion
      ? CARRIED_OUT.includes(cell.fault)
      : cell.fault === "carried out twice";
    if (isDone) return expect(outcome).toEqual(clean);
    // Faults that a function makes up for itself leave no trace either.
    if (JSON.stringify(outcome) === JSON.stringify(clean)) return;

    expect(outcome).toMatchObject({ drift: [] });
    expect(outcome.tasks).toMatchObject([
      story.hasFile
        ? { status: "Complete", output_location: EXTERNAL_URL }
        : { status: "Failed", error_message: expect.stringMatching("answer") },
    ]);
    expect(outcome.generations).toMatchObject(
      story.hasFile ? [{ location: EXTERNAL_URL }] : [],
    );
  });
});

describe("the API orchestrator claims", () => {
  afterEach(resetClock);

  it.each(FAULTS.filter((fault) => !CARRIED_OUT.includes(fault)))(
    "and gets its task although a claim is %s",
    async (fault) => {
      const { api, id } = await lose(fault);
      expect((await api.poll("api-worker-main", "api")).attempt).toBe(1);
      await api.complete(id, {});
      expect(await readTask(id)).toMatchObject({ status: "Complete" });
    },
  );

  it.each(CARRIED_OUT)(
    "and gets its task again, later, when a claim is %s",
    async (fault) => {
      const { api, id } = await lose(fault);
      await expect(api.poll("api-worker-main", "api")).rejects.toThrow(
        "no work",
      );
      expect(await readTask(id)).toMatchObject({ status: "In Progress" });

      await stepClock("7 minutes 1 second");
      await runJob("rescue");
      expect((await api.poll("api-worker-main", "api")).task_id).toBe(id);
      await api.complete(id, {});
      expect(await readTask(id)).toMatchObject({
        status: "Complete",
        attempts: 2,
      });
    },
  );
});

/** An api task, and the client whose first claim will meet with the fault. */
async function lose(fault: Fault) {
  await admin()`delete from public.users`;
  const owner = await createOwner();
  const id = await createTask(owner, { task_type: "edit_image" });
  const backend = createBackend();
  backend.plan = { struck: "claim-next-task", call: 1, fault, requests: 1 };
  return { api: new ApiOrchestrator(backend), id };
}
