import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { guestMigration } from "../../gate/migrations/guest.ts";
import { query } from "../../gate/query.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { expectError } from "../support/replies.ts";
import { send, supabasePy } from "../support/rest.ts";
import { type Router, startRouter } from "../support/router.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";

let database: ThrowAwayDatabase;
let router: Router;
beforeAll(async () => {
  const workDir = join(checkoutDir, ".stack", "router-of-guests");
  mkdirSync(workDir, { recursive: true });
  database = await makeThrowAwayDatabase(workDir, "guest", false);
  await query(database.url, guestMigration(checkoutDir));
  // The schema is the default.
  router = await startRouter({
    FAIRLANE_SCHEMA: "",
    SUPABASE_DB_URL: database.url,
  });
}, 300_000);
afterAll(async () => {
  await router?.stop();
  await database?.discard();
});

it("a guest's task goes from its creation to its result over the router alone", async () => {
  const user_id = randomUUID();
  await query(
    database.url,
    `insert into auth.users (id) values ('${user_id}')`,
  );
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
  expect(await query(database.url, "select id as user_id from fairlane.owners"))
    .toEqual([{ user_id }]);
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
