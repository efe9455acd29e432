import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { checkoutDir } from "../../stack/paths.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { isServed } from "../support/profile.ts";
import { stack } from "../support/stack.ts";
import { createOwner, reset } from "../support/world.ts";
import { childOf, partNo } from "../support/fleet-words.ts";

// What docs/openapi.json says, held against the running functions: a request
// that is a good one by the document is answered as the document says.

const Schema = z.custom<Parameters<typeof z.fromJSONSchema>[0]>();
const Content = z.object({
  "application/json": z.object({ schema: Schema }),
});
const Document = z.looseObject({
  paths: z.record(
    z.string(),
    z.object({
      post: z.looseObject({
        requestBody: z.looseObject({ content: Content }),
        responses: z.record(
          z.string(),
          z.looseObject({
            $ref: z.string().optional(),
            content: Content.optional(),
          }),
        ),
      }),
    }),
  ),
  components: z.looseObject({ schemas: z.object({ Error: Schema }) }),
});
const document = Document.parse(
  JSON.parse(readFileSync(join(checkoutDir, "docs/openapi.json"), "utf8")),
);

const TASK = "5d9cf1a2-0c1b-4d0e-8f5a-3f2b6a7c8d90";
const CHILD = "5d9cf1a2-0c1b-4d0e-8f5a-3f2b6a7c8d91";
let projectId = "";

beforeAll(async () => {
  await reset();
  ({ projectId } = await createOwner());
  await admin()`insert into public.workers (id, status) values ('gpu-1', 'active')`;
});

/** One task's life: each call with the status it gets. */
const CALLS: readonly [string, () => Record<string, unknown>, number][] = [
  ["claim-next-task", () => ({ worker_id: "gpu-1" }), 204],
  ["create-task", () => ({
    task_id: TASK,
    task_type: "clip",
    params: { run: "R", ...partNo(0) },
    project_id: projectId,
    dependant_on: null,
  }), 200],
  ["create-task", () => ({
    tasks: [{
      task_id: CHILD,
      task_type: "clip",
      params: childOf(TASK),
      project_id: projectId,
      dependant_on: TASK,
    }],
  }), 200],
  ["task-counts", () => ({ run_type: "gpu", include_active: true }), 200],
  ["explain", () => ({ task_id: CHILD }), 200],
  ["explain", () => ({ worker_id: "gpu-1" }), 200],
  ["beat", () => ({ worker_id: "gpu-1", task_id: TASK }), 200],
  ["update-worker-model", () => ({ worker_id: "gpu-1", model: "wan" }), 200],
  ["claim-next-task", () => ({ worker_id: "gpu-1", dry_run: true }), 200],
  ["claim-next-task", () => ({ worker_id: "gpu-1", run_type: "gpu" }), 200],
  ["get-task-status", () => ({ task_id: TASK }), 200],
  ["get-predecessor-output", () => ({ task_id: CHILD }), 200],
  ["get-predecessor-output", () => ({ task_id: TASK }), 200],
  ["update-task-status", () => ({
    task_id: TASK,
    status: "In Progress",
    reset_generation_started_at: true,
  }), 200],
  ["generate-upload-url", () => ({
    task_id: TASK,
    filename: "clip.mp4",
    content_type: "video/mp4",
    generate_thumbnail_url: true,
  }), 200],
  ["health", () => ({}), 200],
  ["worker-health", () => ({}), 200],
  ["sweep-files", () => ({ dry_run: true }), 200],
  ["complete-task", () => ({ task_id: TASK, output_location: "a" }), 200],
  ["complete_task", () => ({ task_id: TASK, output_location: "a" }), 200],
  ["get-task-output", () => ({ task_id: TASK }), 200],
  ["get-completed-segments", () => ({ run_id: "R" }), 200],
  ["get-orchestrator-children", () => ({ orchestrator_task_id: TASK }), 200],
  ["cancel-tasks", () => ({ task_type: "none-of-this-type" }), 200],
  ["mark-task-failed", () => ({ task_id: TASK, error_message: "late" }), 200],
  ["update-shot-pair-prompts", () => ({
    shot_id: TASK,
    task_id: TASK,
    enhanced_prompts: [""],
  }), 501],
  ["get-task-status", () => ({ task_id: projectId }), 404],
  ["update-worker-model", () => ({ worker_id: "no", model: "wan" }), 404],
];

const SERVED = Object.keys(document.paths).filter((path) =>
  isServed(path.slice(1))
);

describe.each(SERVED)("%s in the document", (path) => {
  it("is called here", () => {
    expect(CALLS.map(([name]) => `/${name}`)).toContain(path);
  });

  it("refuses as it says there", async () => {
    const name = path.slice(1);
    expectAsDocumented(path, await send(name, "not even JSON"));
    expectAsDocumented(path, await callFunction(name, {}));
  });
});

it.each(CALLS.filter(([name]) => isServed(name)))(
  "%s answers as documented (%#)",
  async (name, body, status) => {
    const path = `/${name}`;
    const sent = body();
    const form = document.paths[path]?.post.requestBody.content;
    z.fromJSONSchema(form?.["application/json"].schema ?? false).parse(sent);
    const reply = await send(name, sent);
    expect(reply.status, reply.text).toBe(status);
    expectAsDocumented(path, reply);
  },
);

function send(name: string, body: unknown) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

function expectAsDocumented(
  path: string,
  reply: Awaited<ReturnType<typeof callFunction>>,
): void {
  const response = document.paths[path]?.post.responses[reply.status];
  expect(response, `${path} ${reply.status}`).toBeDefined();
  if (reply.status === 204) return expect(reply.text).toBe("");
  const schema = reply.status >= 400
    ? document.components.schemas.Error
    : response?.content?.["application/json"].schema ?? false;
  z.fromJSONSchema(schema).parse(reply.json);
}
