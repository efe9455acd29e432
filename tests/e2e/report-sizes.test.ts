import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  type Owner,
  readTask,
  reset,
  startTask,
} from "../support/world.ts";

const MiB = 1024 * 1024;

let owner: Owner;
let task_id: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  task_id = await createTask(owner);
  await startTask(task_id);
});

/** The first 64 KiB, the length and the last 16 KiB. */
function ends(text: string): string {
  return text.slice(0, 65_536) +
    ` … [cut: ${text.length} characters in all] … ` + text.slice(-16_384);
}

const long = (size: number) => `begin${"x".repeat(size)}end`;

describe("of a report of any size both ends are kept", () => {
  it("on a task that has ended", async () => {
    await report({ status: "Failed", error_message: "the first" });
    const text = long(7 * MiB);
    await report({
      status: "Failed",
      error_details: text,
      output_location: text,
    });
    const [event] = await admin()<{ details: Record<string, string> }[]>`
      select details from public.task_events
      where task_id = ${task_id} and from_status = to_status
    `;
    expect(event?.details["error_details"] === ends(text)).toBe(true);
    expect(event?.details["error_message"] === ends(text)).toBe(true);
    expect(await readTask(task_id)).toMatchObject({
      error_message: "the first",
    });
  });

  it("of the failure of a running one", async () => {
    const text = long(12 * MiB);
    await report({ status: "Failed", output_location: text });
    expect(await sizeOfHistory()).toBeLessThan(100_000);
    const task = await readTask(task_id);
    expect(String(task["error_message"]).length).toBeLessThan(20_000);
  });

  it("of a result, in every field", async () => {
    const text = long(2 * MiB);
    const reply = await callFunction("complete-task", {
      task_id,
      output_location: text,
      thumbnail_url: text,
      result_data: { text },
    }, { key: stack().serviceRoleKey });
    expect(reply.status, reply.text.slice(0, 200)).toBe(200);
    const task = await readTask(task_id);
    expect(task["status"]).toBe("Complete");
    expect(task["output_location"] === ends(text)).toBe(true);
    expect(task["thumbnail_url"] === ends(text)).toBe(true);
    expect(JSON.stringify(task["result_data"]).length).toBeLessThan(100_000);
  });

  it("of a direct change of the row", async () => {
    const text = long(2 * MiB);
    await admin()`
      update public.tasks
      set status = 'Failed', error_details = ${text}, output_location = ${text}
      where id = ${task_id}
    `;
    expect(await sizeOfHistory()).toBeLessThan(200_000);
    const task = await readTask(task_id);
    expect(task["error_details"] === ends(text)).toBe(true);
  });
});

it("a report that is repeated for ever is counted after the twentieth", async () => {
  await report({ status: "Failed", output_location: "the first" });
  const text = long(MiB);
  for (let time = 0; time < 30; time++) {
    await report({ status: "Failed", output_location: text });
  }
  const events = await admin()<{ reason: string; details: unknown }[]>`
    select reason, details - 'last_at' as details from public.task_events
    where task_id = ${task_id} and from_status = to_status
    order by id
  `;
  expect(events).toHaveLength(21);
  expect(events.at(-1)).toEqual({
    reason: "further reports that changed nothing, only counted",
    details: { count: 10 },
  });
  expect(await sizeOfHistory()).toBeLessThan(4 * MiB);
});

async function report(fields: Record<string, unknown>): Promise<void> {
  const reply = await callFunction("update-task-status", {
    task_id,
    ...fields,
  }, { key: stack().serviceRoleKey });
  expect(reply.status, reply.text.slice(0, 200)).toBe(200);
}

/** The characters of the task's story, as a reader gets them. */
async function sizeOfHistory(): Promise<number> {
  const [row] = await admin()<{ size: number }[]>`
    select sum(length(row_to_json(e)::text))::integer as size
    from public.task_events as e where task_id = ${task_id}
  `;
  return row?.size ?? 0;
}
