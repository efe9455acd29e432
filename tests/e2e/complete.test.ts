import { beforeEach, describe, expect, it } from "vitest";
import { CompleteReply } from "../../shared/complete.ts";
import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  readTask,
  reset,
  startTask,
  type TaskColumns,
} from "../support/world.ts";

const OUTPUT = "https://files.test/result.mp4";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe.each(["complete_task", "complete-task"])("%s", (name) => {
  it("stores the output and its one generation", async () => {
    const task_id = await running();
    const reply = await complete({ task_id, output_location: OUTPUT }, name);
    expect(expectOk(reply, CompleteReply)).toMatchObject({
      task_id,
      status: "Complete",
      output_location: OUTPUT,
      public_url: OUTPUT,
      generation_created: true,
    });
    expect(await readTask(task_id)).toMatchObject({
      status: "Complete",
      output_location: OUTPUT,
      worker_id: "worker-of-a-test",
      generation_created: true,
      generation_processed_at: expect.any(Date),
    });
    expect(await generations(task_id)).toEqual([{
      location: OUTPUT,
      type: "video",
      project_id: owner.projectId,
      user_id: owner.id,
    }]);
  });
});

describe("complete-task", () => {
  it("three times at once: one generation, three times 200, same reply", async () => {
    for (let round = 0; round < 5; round++) {
      const task_id = await running();
      const replies = await Promise.all(
        Array.from(
          { length: 3 },
          () => complete({ task_id, output_location: OUTPUT }),
        ),
      );
      replies.forEach((reply) => expectOk(reply, CompleteReply));
      expect(new Set(replies.map((reply) => reply.text)).size).toBe(1);
      expect(await generations(task_id)).toHaveLength(1);
    }
    expect(await counterDrift()).toEqual([]);
  });

  it("answers a repeat with another output with the stored one", async () => {
    const task_id = await running();
    const first = await complete({ task_id, output_location: OUTPUT });
    const second = await complete({
      task_id,
      output_location: "https://elsewhere.test/external.mp4",
    });
    expect(second.status).toBe(200);
    expect(second.text).toBe(first.text);
    expect((await readTask(task_id))["output_location"]).toBe(OUTPUT);
  });

  it.each([
    ["a local path", "/home/worker/outputs/gone.mp4"],
    ["a sentence", "Completed via idempotency"],
    ["odd characters", "naïve 😀 \u0000 file.mp4"],
  ])("takes %s as output", async (_what, output_location) => {
    const task_id = await running();
    const reply = expectOk(
      await complete({ task_id, output_location }),
      CompleteReply,
    );
    const stored = output_location.replace("\0", "\uFFFD");
    expect(reply.output_location).toBe(stored);
    expect(reply.public_url).toBe(stored);
  });

  it("takes an id alone: a generation without a location", async () => {
    const task_id = await running();
    const reply = expectOk(await complete({ task_id }), CompleteReply);
    expect(reply).toMatchObject({ status: "Complete", output_location: null });
    expect(await generations(task_id)).toMatchObject([{ location: null }]);
  });

  it("records no generation for types that have none", async () => {
    const task_id = await running({ task_type: "film_orchestrator" });
    const reply = expectOk(
      await complete({ task_id, output_location: OUTPUT }),
      CompleteReply,
    );
    expect(reply).toMatchObject({
      generation_created: false,
      generation_id: null,
    });
    expect(await generations(task_id)).toEqual([]);
  });

  it("keeps result_data to the last digit", async () => {
    const task_id = await running();
    const result =
      '{"seed": 9223372036854775807, "ratio": 0.10000000000000000001}';
    const body = `{"task_id": "${task_id}", "result_data": ${result}}`;
    expect((await complete(body)).status).toBe(200);
    const [row] = await admin()<{ text: string }[]>`
      select result_data::text as text from public.tasks where id = ${task_id}
    `;
    expect(row?.text).toContain("9223372036854775807");
    expect(row?.text).toContain("0.10000000000000000001");
  });

  it("takes a late result after a rescue", async () => {
    const task_id = await running();
    await admin()`update public.tasks set status = 'Queued' where id = ${task_id}`;
    const reply = await complete({ task_id, output_location: OUTPUT });
    expect(expectOk(reply, CompleteReply).status).toBe("Complete");
  });

  it("is open to the owner's token and user, to others it is 404", async () => {
    const stranger = await createOwner();
    const keys = [await createToken(stranger), await userJwt(stranger.id)];
    const task_id = await running();
    for (const key of keys) {
      expectError(
        await complete({ task_id }, "complete-task", key),
        "TASK_NOT_FOUND",
      );
    }
    const own = await complete(
      { task_id },
      "complete-task",
      await userJwt(owner.id),
    );
    expect(own.status).toBe(200);
    const next = await running();
    const token = await createToken(owner);
    expect((await complete({ task_id: next }, "complete-task", token)).status)
      .toBe(200);
  });

  it.each([
    ["no id", {}],
    ["an id that is no UUID", { task_id: "unknown_task_1760000000" }],
    ["a number as id", { task_id: 7 }],
    ["a path that leaves the bucket", { storage_path: "../../secrets" }],
  ])("refuses %s with 400", async (_what, fields) => {
    const id = "task_id" in fields ? {} : { task_id: await running() };
    const body = Object.keys(fields).length === 0 ? {} : { ...id, ...fields };
    expectError(await complete(body), "INVALID_BODY");
  });

  it("takes 7 MiB and refuses above 8 MiB with 413", async () => {
    const task_id = await running();
    const MiB = 1024 * 1024;
    const big = {
      task_id,
      output_location: OUTPUT,
      filler: "x".repeat(7 * MiB),
    };
    expect((await complete(big)).status).toBe(200);
    const bigger = { task_id, filler: "x".repeat(8 * MiB) };
    expectError(await complete(bigger), "BODY_TOO_LARGE");
  });
});

async function running(columns: TaskColumns = {}): Promise<string> {
  const id = await createTask(owner, columns);
  await startTask(id);
  return id;
}

function complete(
  body: unknown,
  name = "complete-task",
  key = stack().serviceRoleKey,
) {
  return callFunction(name, body, { key });
}

async function generations(taskId: string): Promise<unknown[]> {
  return [
    ...await admin()`
    select location, type, project_id, user_id
    from public.generations
    where task_id = ${taskId}
  `,
  ];
}
