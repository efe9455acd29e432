import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { guestMigration } from "../../gate/migrations/guest.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { admin } from "../support/db.ts";
import { expectError } from "../support/replies.ts";
import { send, supabasePy } from "../support/rest.ts";
import { type Router, startRouter } from "../support/router.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import { reset } from "../support/world.ts";

let router: Router;
beforeAll(async () => {
  await reset();
  await admin().unsafe(guestMigration(checkoutDir));
  // The schema is the default.
  router = await startRouter({ FAIRLANE_SCHEMA: "" });
});
afterAll(async () => {
  await router.stop();
  await admin().unsafe("drop schema fairlane, fairlane_core cascade");
});

it("a guest's task goes from its creation to its result over the router alone", async () => {
  const user_id = randomUUID();
  const created = await router.call("create-task", {
    task_type: "render",
    user_id,
    params: { prompt: "a lane" },
  });
  expect(created.status, created.text).toBe(200);
  const { task_id } = created.json as { task_id: string };

  const worker_id = "gpu-of-a-guest";
  const claimed = await router.call("claim-next-task", { worker_id });
  expect(claimed.json, claimed.text).toMatchObject({ task_id });
  const { lease_token } = claimed.json as { lease_token: string };
  const beat = await router.call("beat", { worker_id });
  expect(beat.status, beat.text).toBe(200);
  const done = await router.call("complete-task", {
    task_id,
    lease_token,
    output_location: "https://files.test/out.mp4",
  });
  expect(done.status, done.text).toBe(200);

  const ask = async (id: string) =>
    await router.call("get-task-status", { task_id }, await userJwt(id));
  expect((await ask(user_id)).json).toMatchObject({ status: "Complete" });
  expectError(await ask(randomUUID()), "TASK_NOT_FOUND");
  expect(await admin()`select from public.tasks`).toEqual([]);
});

it("a guest's schema need not be exposed by the Data API", async () => {
  const reply = await send("/rest/v1/tasks", {
    headers: {
      ...supabasePy(stack().serviceRoleKey),
      "accept-profile": "fairlane",
    },
  });
  expect(reply.status, reply.text).toBe(406);
});
