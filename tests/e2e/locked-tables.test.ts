import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signOfLife } from "../support/beats.ts";
import { admin, closeConnections } from "../support/db.ts";
import { isOpen, leaveOpen } from "../support/holding.ts";
import { callFunction, callRpc, type Reply } from "../support/http.ts";
import { isGuest } from "../support/profile.ts";
import { pidOf, untilBlocked } from "../support/sessions.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  reset,
  startTask,
} from "../support/world.ts";

/** What no guest has. */
const OF_THE_FLEET: [string, () => Promise<Reply>][] = [
  ["count by rpc", () => rpc("func_get_task_counts", {})],
  [
    "beat without logs",
    () => rpc("func_update_worker_heartbeat", { worker_id_param: "gpu-1" }),
  ],
  [
    "question for finished parts",
    () => call("get-completed-segments", { run_id: "run" }),
  ],
];

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});
// A transaction that a failed test left open would block the next reset.
afterEach(closeConnections);

describe("while somebody has the table of tasks locked", () => {
  let token: string;
  let tokenId: string;
  let other: Owner;

  /** What calls name or carry, made before the table is locked. */
  async function findKeys(): Promise<void> {
    token = await createToken(owner);
    other = await createOwner();
    const [row] = await admin()<{ id: string }[]>`
      select k.id from public.user_api_tokens as k where k.user_id = ${owner.id}
    `;
    tokenId = row?.id ?? "";
  }

  it.each<[string, (id: string) => Promise<Reply>]>([
    ["claim", () => claim({ worker_id: "gpu-2" })],
    ["count", () => call("task-counts", { run_type: "gpu" })],
    ["completion", (id) => complete(id)],
    ["failure", (id) => call("mark-task-failed", { task_id: id })],
    [
      "report",
      (id) =>
        call("update-task-status", { task_id: id, status: "In Progress" }),
    ],
    ["claim by rpc", () =>
      rpc("claim_next_task", {
        p_caller: { kind: "service" },
        p_worker_id: "gpu-2",
      })],
    ["beat", () => signOfLife("gpu-1")],
    ["creation of a task", () =>
      call("create-task", {
        task_type: "clip",
        project_id: owner.projectId,
      })],
    ["question for a task", (id) => call("get-task-status", { task_id: id })],
    [
      "cancellation",
      (id) => call("cancel-tasks", { task_ids: [id], status: "In Progress" }),
    ],
    [
      "cancellation by rpc",
      (id) => rpc("cancel_tasks", { p_filter: { task_ids: [id] } }),
    ],
    [
      "cancellation with a token",
      (id) => callFunction("cancel-tasks", { task_ids: [id] }, { key: token }),
    ],
    ["sweep of files", () => call("sweep-files", { dry_run: true })],
    ["requeue", (id) => rpc("requeue_tasks", { p_task_ids: [id] })],
    ["repair", () => rpc("repair_generations", {})],
    ["move of a project", () =>
      rpc("move_project", {
        p_project_id: owner.projectId,
        p_user_id: other.id,
      })],
    [
      "revocation of a token",
      async () =>
        callRpc("revoke_api_token", { p_token_id: tokenId }, {
          key: await userJwt(owner.id),
        }),
    ],
    ["question why it waits", (id) => call("explain", { task_id: id })],
    [
      "question why a worker gets nothing",
      () => call("explain", { worker_id: "gpu-1", run_type: "gpu" }),
    ],
    ["look at the workers", () => call("worker-health", {})],
    [
      "question for an output",
      (id) => call("get-task-output", { task_id: id }),
    ],
    [
      "question for the one before",
      (id) => call("get-predecessor-output", { task_id: id }),
    ],
    [
      "question for children",
      (id) => call("get-orchestrator-children", { orchestrator_task_id: id }),
    ],
    ["upload URL", (id) =>
      call("generate-upload-url", {
        task_id: id,
        filename: "a.mp4",
        content_type: "video/mp4",
      })],
    ...(isGuest ? [] : OF_THE_FLEET),
  ])("a %s answers 503 and when to come back", async (_what, send) => {
    const id = await createTask(owner);
    await createTask(owner);
    await startTask(id, "gpu-1");
    await findKeys();
    const holder = await leaveOpen((sql) =>
      sql`lock table public.tasks in access exclusive mode`
    );

    const reply = await send(id);
    expect(reply.status).toBe(503);
    expect(reply.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(reply.text).toContain("UNAVAILABLE");
    expect(reply.text).toContain("Another session holds what this call needs");
    expect(await isOpen(holder)).toBe(true);
  });

  it("so does a new token when tokens are locked", async () => {
    const key = await userJwt(owner.id);
    const holder = await leaveOpen((sql) =>
      sql`lock table public.user_api_tokens in access exclusive mode`
    );

    const reply = await callRpc("create_api_token", {}, { key });
    expect(reply.status).toBe(503);
    expect(reply.text).toContain("Another session holds what this call needs");
    expect(await isOpen(holder)).toBe(true);
  });

  it.each<[string, string, () => Promise<Reply>]>([
    [
      "note of unused fields",
      "fairlane_core.unused_fields",
      () =>
        rpc("note_unused_fields", {
          p_caller: { kind: "service" },
          p_endpoint: "claim-next-task",
          p_counts: { colour: 1 },
        }),
    ],
    [
      "machine that is to be kept",
      "public.workers",
      () => rpc("keep_worker", { p_worker_id: "gpu-1" }),
    ],
  ])("so does a %s when %s is locked", async (_what, table, send) => {
    const holder = await leaveOpen((sql) =>
      sql`lock table ${sql(table)} in access exclusive mode`
    );

    const reply = await send();
    expect(reply.status, reply.text).toBe(503);
    expect(reply.text).toContain("Another session holds what this call needs");
    expect(await isOpen(holder)).toBe(true);
  });

  it("so does a claim behind a migration that waits for a reader", async () => {
    await createTask(owner);
    const reader = await leaveOpen((sql) =>
      sql`select 1 from public.tasks limit 1`
    );
    const migration = await leaveOpen((sql) => sql`select 1`);
    const pid = await pidOf(migration);
    const waiting = migration`lock table public.tasks in access exclusive mode`
      .then(() => "has it", () => "gave up");
    await untilBlocked(pid);

    const answer = await claim({ worker_id: "gpu-2" });
    expect(answer.status).toBe(503);
    // Ours, not that of the Data API's own limits.
    expect(answer.text).toContain("Another session holds");
    await untilBlocked(pid);
    await reader`rollback`;
    expect(await waiting).toBe("has it");
  });
});

function claim(body: unknown, key = stack().serviceRoleKey): Promise<Reply> {
  return callFunction("claim-next-task", body, { key });
}

function complete(id: string): Promise<Reply> {
  return call("complete-task", {
    task_id: id,
    output_location: `https://files.test/${id}.mp4`,
  });
}

function call(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

function rpc(name: string, body: unknown): Promise<Reply> {
  return callRpc(name, body, { key: stack().serviceRoleKey });
}
