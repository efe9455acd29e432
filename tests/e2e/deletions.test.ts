import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CROWD, settleAll } from "../support/crowd.ts";
import { admin, closeConnections } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { tableOf } from "../support/profile.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTasks,
  createToken,
  type Owner,
  reset,
} from "../support/world.ts";

let owner: Owner;
let token: string;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  token = await createToken(owner);
  await createTasks(owner, CROWD);
});
afterEach(closeConnections);

describe(`a project with ${CROWD} tasks that its owner deletes`, () => {
  beforeEach(async () => {
    const reply = await rest("DELETE", "projects", {
      id: `eq.${owner.projectId}`,
    }, { key: await userJwt(owner.id), headers: { prefer: "return=minimal" } });
    expect(reply.status).toBe(204);
  });

  it("is written down, not carried out, and cannot be seen any more", async () => {
    expect(await count("tasks")).toBe(CROWD);
    const seen = await rest("GET", "projects", {}, {
      key: await userJwt(owner.id),
    });
    expect(seen.json).toEqual([]);
  });

  it.each(["create-task", "the Data API"])(
    "takes no task by %s: 404 PROJECT_NOT_FOUND",
    async (way) => {
      const task = {
        task_type: "clip",
        project_id: owner.projectId,
        params: {},
      };
      const key = stack().serviceRoleKey;
      const reply = way === "create-task"
        ? await callFunction("create-task", task, { key })
        : await rest("POST", "tasks", {}, { key, body: task });
      expect(reply.status).toBe(404);
      expect(JSON.stringify(reply.json)).toContain("PROJECT_NOT_FOUND");
    },
  );

  it("is finally deleted with everything in it", async () => {
    await settleAll();
    expect(await count("tasks")).toBe(0);
    expect(await count("projects")).toBe(0);
    expect(await count("users")).toBe(1);
  });
});

describe(`a user with ${CROWD} tasks whom the app deletes`, () => {
  beforeEach(async () => {
    const reply = await rest("DELETE", "users", { id: `eq.${owner.id}` }, {
      key: stack().serviceRoleKey,
      headers: { prefer: "return=minimal" },
    });
    expect(reply.status).toBe(204);
  });

  it("is not served any more, neither by the fleet nor by a token", async () => {
    expect(await count("tasks")).toBe(CROWD);
    const fleet = await callFunction(
      "claim-next-task",
      { worker_id: "gpu-1" },
      {
        key: stack().serviceRoleKey,
      },
    );
    expect(fleet.status).toBe(204);
    const own = await callFunction("claim-next-task", {}, { key: token });
    expect(own.status).toBe(403);
  });

  it.each([
    ["token", "rpc/create_api_token", { p_label: "another" }],
    ["project", "projects", { name: "another" }],
  ])("makes no new %s: 403 FORBIDDEN", async (_what, path, body) => {
    const user_id = path === "projects" ? { user_id: owner.id } : {};
    const reply = await rest("POST", path, {}, {
      key: await userJwt(owner.id),
      body: { ...body, ...user_id },
    });
    expect([reply.status, reply.json]).toMatchObject([403, {
      details: "FORBIDDEN",
      message: "This user is being deleted",
    }]);
    expect(await count("user_api_tokens")).toBe(0);
    expect(await count("projects")).toBe(1);
  });

  it("does not count as work to do", async () => {
    const counts = await callFunction("task-counts", { run_type: "gpu" }, {
      key: stack().serviceRoleKey,
    });
    expect(counts.json).toMatchObject({ totals: { queued_only: 0 } });
  });

  it("is finally deleted with everything", async () => {
    await settleAll();
    for (const table of ["tasks", "projects", "users"]) {
      expect(await count(table), table).toBe(0);
    }
  });
});

async function count(table: string): Promise<number> {
  const [row] = await admin()<{ count: number }[]>`
    select count(*)::integer from ${admin()(tableOf(table))}
  `;
  return row!.count;
}
