import { beforeEach, expect, it } from "vitest";
import { WorkerModelReply } from "../../shared/worker-model.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { expectError, expectOk } from "../support/replies.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";

beforeEach(async () => {
  await reset();
  await admin()`insert into public.workers (id, status) values ('gpu-1', 'active')`;
});

it.each([
  { worker_id: "gpu-1", model: "model-a" },
  { worker_id: "gpu-1", current_model: "model-a" },
])("update-worker-model takes %j", async (body) => {
  const reply = await callFunction("update-worker-model", body, {
    key: stack().serviceRoleKey,
  });
  expect(expectOk(reply, WorkerModelReply)).toEqual({
    worker_id: "gpu-1",
    current_model: "model-a",
  });
  const rows = await admin()`select current_model from public.workers`;
  expect([...rows]).toEqual([{ current_model: "model-a" }]);
});

it("update-worker-model creates no worker", async () => {
  const body = { worker_id: "nobody", model: "wan" };
  const key = stack().serviceRoleKey;
  const reply = await callFunction("update-worker-model", body, { key });
  expectError(reply, "WORKER_NOT_FOUND");
  expect(await admin()`select from public.workers`).toHaveLength(1);
});
