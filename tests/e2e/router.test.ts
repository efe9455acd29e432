import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ENDPOINTS } from "../../supabase/functions/_fairlane/endpoints.ts";
import { isServed } from "../support/profile.ts";
import { expectError } from "../support/replies.ts";
import { send } from "../support/rest.ts";
import { type Router, startRouter } from "../support/router.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  type Owner,
  reset,
} from "../support/world.ts";

const ROUTES = Object.keys(ENDPOINTS).filter(isServed);

let router: Router;
let owner: Owner;
let id: string;
beforeAll(async () => {
  await reset();
  owner = await createOwner();
  id = await createTask(owner);
  router = await startRouter();
});
afterAll(() => router.stop());

describe("the router", () => {
  it("says which routes there are, behind the gateway too", async () => {
    const reply = await send("/functions/v1/fairlane/nothing", {
      method: "POST",
    });
    const { details } = expectError(reply, "ROUTE_NOT_FOUND");
    expect(details).toEqual({ routes: ROUTES.toSorted() });
  });

  it("shows a user their own tasks and nobody else's", async () => {
    const stranger = await createOwner();
    const ask = async (user: Owner) =>
      await router.call(
        "get-task-status",
        { task_id: id },
        await userJwt(user.id),
      );
    expect((await ask(owner)).json).toMatchObject({ status: "Queued" });
    expectError(await ask(stranger), "TASK_NOT_FOUND");
    // The same connection, the one after the other, in any order.
    const replies = await Promise.all(
      Array.from({ length: 20 }, (_, n) => ask(n % 2 ? owner : stranger)),
    );
    expect(replies.map(({ status }) => status))
      .toEqual(Array.from({ length: 20 }, (_, n) => n % 2 ? 200 : 404));
  });

  it("does for a user only what users may", async () => {
    const key = await userJwt(owner.id);
    for (const route of ["claim-next-task", "health", "worker-health"]) {
      const body = { worker_id: "w" };
      expectError(await router.call(route, body, key), "FORBIDDEN");
    }
  });

  it.each(["anonKey", "publishableKey"] as const)(
    "does nothing for the %s, which everybody has",
    async (name) => {
      for (const route of ROUTES) {
        const reply = await router.call(route, { task_id: id }, stack()[name]);
        expectError(reply, "FORBIDDEN");
      }
    },
  );

  it("believes no JWT that somebody else has signed, nor one that is over", async () => {
    const secret = "another-secret-of-at-least-32-characters";
    const forged = await userJwt(owner.id, { secret });
    const late = await userJwt(owner.id, { expiresInSeconds: -60 });
    for (const key of [forged, late]) {
      const reply = await router.call("get-task-status", { task_id: id }, key);
      expectError(reply, "INVALID_CREDENTIALS");
    }
  });

  it("believes no JWT at all where it has nothing to verify one with", async () => {
    const closed = await startRouter({ SUPABASE_JWKS: "" });
    const key = await userJwt(owner.id);
    const reply = await closed.call("get-task-status", { task_id: id }, key);
    const own = await closed.call("get-task-status", { task_id: id });
    await closed.stop();
    expectError(reply, "INVALID_CREDENTIALS");
    expect(own.status).toBe(200);
  });

  it("answers 503 while there is no database, and soon", async () => {
    const url = "postgresql://postgres:postgres@127.0.0.1:1/postgres";
    const lost = await startRouter({ SUPABASE_DB_URL: url });
    const reply = await lost.call("get-task-status", { task_id: id });
    await lost.stop();
    expectError(reply, "UNAVAILABLE");
  });
});
