/**
 * edit_video, whole: the orchestrator enqueues joins, reports In Progress and
 * claims on. With the row that ships, and without one: then the name says it.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resetClock } from "../support/clock.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { illegalStarts } from "../support/history.ts";
import { getFile } from "../support/storage.ts";
import { createTask } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, readTask, reset } from "../support/world.ts";
import { type LossyNetwork, startNetwork } from "./clients/lossy-network.ts";
import { SmallFleet } from "./clients/small-fleet.ts";
import { Wire } from "./clients/wire.ts";

const TYPE = "edit_video_orchestrator";
const ROWS = { "the row that ships": true, "no row": false };
const NETWORKS = { "no reply is lost": 0, "every third reply is lost": 3 };

let owner: Owner;
let network: LossyNetwork;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

afterEach(async () => {
  await resetClock();
  await admin()`
    insert into public.task_types (name, category, content_type)
    values (${TYPE}, 'orchestration', 'video')
    on conflict do nothing
  `;
  await network.stop();
});

describe.each(Object.entries(ROWS))("with %s", (_row, hasRow) => {
  describe.each(Object.entries(NETWORKS))("while %s", (_name, losesEvery) => {
    beforeEach(async () => {
      network = await startNetwork(losesEvery);
      if (!hasRow) {
        await admin()`delete from public.task_types where name = ${TYPE}`;
      }
    });

    it("an edit_video job ends with its joins, on one worker", async () => {
      const id = await createTask(owner, {
        task_type: TYPE,
        params: {
          orchestrator_details: { kept_clips: ["a", "b", "c", "d"] },
        },
      });
      const started: string[] = [];
      const fleet = new SmallFleet(
        new Wire(network.url),
        ({ task_type }) => started.push(task_type),
        1,
      );
      await fleet.runUntil(async () =>
        !["Queued", "In Progress"].includes(
          String((await readTask(id))["status"]),
        )
      );

      const job = await readTask(id);
      expect(job).toMatchObject({
        status: "Complete",
        error_message: null,
        takes_slot: false,
      });
      expect((await getFile(String(job["output_location"]))).bytes)
        .toBe("(((ab)c)d)");
      if (losesEvery === 0) {
        expect(job["attempts"]).toBe(1);
        expect(started).toEqual([TYPE, ...Array(3).fill("join_clips_segment")]);
      }
      const records = await admin()<{ task_type: string }[]>`
        select t.task_type
        from public.generations as g join public.tasks as t on t.id = g.task_id
      `;
      expect(records.map((record) => record.task_type))
        .toEqual(Array(3).fill("join_clips_segment"));
      expect(await illegalStarts(5)).toEqual([]);
      expect(await counterDrift()).toEqual([]);
    });
  });
});
