/**
 * The service that runs banodoco_*: it claims from a pool of its own, and its
 * params carry a user's JWT, which is for nobody else to read.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { startLoggedFunction } from "../support/function-log.ts";
import { callFunction, type Reply } from "../support/http.ts";
import { rest } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { userJwt } from "../support/tokens.ts";
import { createTask } from "../support/fleet-tasks.ts";
import {
  createOwner,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

const JWT = "head.payload.signature-of-a-user";
/** Params with this as the JWT, as deployed clients send it or elsewhere. */
const PLACES: Readonly<Record<string, (user_jwt: string) => object>> = {
  "at the top": (user_jwt) => ({ timeline_id: "t-1", user_jwt }),
  "deep inside": (user_jwt) => ({
    timeline_id: "t-1",
    input: { clips: [{ at: 1 }, { auth: { user_jwt, name: null } }] },
  }),
};
const BOTH = ["banodoco_timeline_generate", "banodoco_render_timeline"];

let owner: Owner;
let parent: string;
let id: string;
let shown: object;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  parent = await createTask(owner, { task_type: "travel_orchestrator" });
  await create("at the top");
});

afterEach(async () => {
  await admin()`select fairlane_core.allow_anon_reads(false)`;
});

describe("a worker of banodoco", () => {
  it.each([
    ["the pool", { run_type: "banodoco" }],
    ["both of its types", { task_types: BOTH }],
  ])("claims by %s and gets the JWT", async (_by, named) => {
    for (const run_type of ["gpu", "api"]) {
      const other = await claim({ run_type });
      expect((other.json as { task_id?: string } | undefined)?.task_id)
        .not.toBe(id);
    }
    const { json } = await claim(named);
    expect(json).toMatchObject({ task_id: id, params: shown });
  });

  it("is counted in its pool, and explain knows of it", async () => {
    const counts = await edge("task-counts", { run_type: "banodoco" });
    expect(counts.json).toMatchObject({
      run_type: "banodoco",
      totals: { queued_only: 1 },
      queued_tasks: [{ task_id: id }],
    });
    const worker = { worker_id: "b-1", run_type: "banodoco" };
    expect((await edge("explain", worker)).json)
      .toMatchObject({ pool: "banodoco", gets_work: true, claimable: 1 });
    expect((await edge("explain", { task_id: id })).json)
      .toMatchObject({ claimable: true });
  });
});

describe.each(Object.keys(PLACES))("the JWT %s in the params", (place) => {
  const hidden = PLACES[place]?.("[redacted]");

  beforeEach(() => create(place));

  it("is in no dry run", async () => {
    const { json } = await claim({ run_type: "banodoco", dry_run: true });
    expect(json).toMatchObject({ task: { task_id: id, params: hidden } });
  });

  it("is in no reply of a get function to the service key", async () => {
    const output = await edge("get-task-output", { task_id: id });
    expect(output.json).toMatchObject({ params: hidden });
    const children = await edge("get-orchestrator-children", {
      orchestrator_task_id: parent,
    });
    expect(children.json).toMatchObject({ tasks: [{ id, params: hidden }] });
    for (const reply of [output, children, await explain(), await counts()]) {
      expect(reply.text).not.toContain(JWT);
    }
  });

  it("is in those to its owner", async () => {
    for (const key of [await userJwt(owner.id), await createToken(owner)]) {
      const body = { task_id: id };
      const { json } = await callFunction("get-task-output", body, { key });
      expect(json).toMatchObject({ params: shown });
    }
  });

  it("is gone when the task is complete: from the task, its record and the history", async () => {
    const worker_id = "b-1";
    await edge("claim-next-task", { worker_id, run_type: "banodoco" });
    await edge("update-task-status", { task_id: id, status: "In Progress" });
    const output_location = "https://files.example/film.mp4";
    const done = await edge("complete-task", { task_id: id, output_location });
    expect(done.status).toBe(200);
    expect(await readTask(id)).toMatchObject({ params: hidden });
    const left = await admin()<{ text: string }[]>`
      select g::text as text from public.generations as g
      union all select e::text from public.task_events as e
      union all select l::text from public.system_logs as l
    `;
    expect(left.length).toBeGreaterThan(2);
    for (const { text } of left) expect(text).not.toContain(JWT);
  });

  it("stays while the task may be tried again", async () => {
    await edge("claim-next-task", { worker_id: "b-1", run_type: "banodoco" });
    await edge("mark-task-failed", { task_id: id, error_message: "no GPU" });
    expect(await readTask(id)).toMatchObject({
      status: "Queued",
      params: shown,
    });
  });

  it("is in no row that the anon key reads, where that is open", async () => {
    await admin()`select fairlane_core.allow_anon_reads(true)`;
    const query = { select: "id,params" };
    const { json, text } = await rest("GET", "tasks", query, {
      key: stack().anonKey,
    });
    const ids = (json as { id: string }[]).map((row) => row.id);
    expect(ids).toContain(parent);
    expect(ids).not.toContain(id);
    expect(text).not.toContain(JWT);
  });

  it("is in no log line of the functions", async () => {
    for (const name of ["claim-next-task", "create-task"]) {
      const logged = await startLoggedFunction(name);
      const body = name === "create-task"
        ? { task_type: BOTH[0], project_id: owner.projectId, params: shown }
        : { worker_id: "b-1", run_type: "banodoco" };
      const reply = await fetch(`${logged.url}/${name}`, {
        method: "POST",
        headers: {
          authorization: `Bearer ${stack().serviceRoleKey}`,
          "content-type": "application/json",
        },
        body: JSON.stringify(body),
      });
      expect(reply.status).toBe(200);
      const lines = await logged.lines(1);
      await logged.stop();
      expect(lines.join("\n")).not.toContain(JWT);
    }
  });
});

/** The task that brings a JWT along, in this place. */
async function create(place: string): Promise<void> {
  await admin()`
    delete from public.tasks where task_type = 'banodoco_render_timeline'
  `;
  shown = PLACES[place]?.(JWT) ?? {};
  id = await createTask(owner, {
    task_type: "banodoco_render_timeline",
    params: { ...shown, orchestrator_task_id_ref: parent },
  });
}

function claim(more: object): Promise<Reply> {
  return edge("claim-next-task", { worker_id: crypto.randomUUID(), ...more });
}

function explain(): Promise<Reply> {
  return edge("explain", { task_id: id });
}

function counts(): Promise<Reply> {
  return edge("task-counts", {});
}

function edge(name: string, body: unknown): Promise<Reply> {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}
