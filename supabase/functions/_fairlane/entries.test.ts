import { readdirSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { KEYS, post, SUPABASE_URL, TASK_ID } from "./_test/fakes.ts";
import type { Handler } from "./frame/endpoint.ts";

const FOLDERS = readdirSync(new URL("..", import.meta.url), {
  withFileTypes: true,
}).filter((entry) => entry.isDirectory() && !entry.name.startsWith("_"))
  .map((entry) => entry.name);

/** Tested in its folder: what it answers comes from the storage. */
const NO_RPC_REPLY = ["generate-upload-url", "sweep-files"];

/** Enough for any endpoint, but for those that take one subject only. */
const BODY = { task_id: TASK_ID, status: "Failed", worker_id: "w" };
const OWN_BODIES: Readonly<Record<string, unknown>> = {
  "create-task": { task_id: TASK_ID, task_type: "t" },
  explain: { task_id: TASK_ID },
  "get-completed-segments": { run_id: "20260111120000" },
  "get-orchestrator-children": { orchestrator_task_id: TASK_ID },
  "cancel-tasks": { status: "Queued" },
  "update-shot-pair-prompts": {
    shot_id: TASK_ID,
    task_id: TASK_ID,
    enhanced_prompts: [],
  },
  beat: { worker_id: "w" },
  "update-worker-model": { worker_id: "w", model: "wan" },
};
const REPLY =
  `{"task_id":"${TASK_ID}","task_type":"t","params":{},"project_id":null}`;

/** Replies of another shape than an object. */
const OWN_REPLIES: Readonly<Record<string, string>> = {
  "get-completed-segments": "[]",
};

const served: Handler[] = [];

beforeEach(() => {
  served.length = 0;
  const variables: Record<string, string> = {
    SUPABASE_URL: `${SUPABASE_URL}/`,
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: KEYS.secret }),
    SUPABASE_SERVICE_ROLE_KEY: KEYS.legacyService,
  };
  vi.stubGlobal("Deno", {
    env: { get: (name: string) => variables[name] },
    serve: (handler: Handler) => served.push(handler),
  });
  vi.spyOn(console, "info").mockImplementation(() => {});
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("entry files", () => {
  test("are those of issue and contract", () => {
    expect(FOLDERS).toEqual(expect.arrayContaining([
      "claim-next-task",
      "complete-task",
      "complete_task",
      "create-task",
      "explain",
      "generate-upload-url",
      "get-completed-segments",
      "get-orchestrator-children",
      "get-predecessor-output",
      "get-task-output",
      "get-task-status",
      "task-counts",
      "update-shot-pair-prompts",
      "update-task-status",
      "update-worker-model",
    ]));
  });

  const passOn = FOLDERS.filter((folder) => !NO_RPC_REPLY.includes(folder));
  test.each(passOn)("%s serves its handler", async (folder) => {
    const urls: string[] = [];
    const reply = OWN_REPLIES[folder] ?? REPLY;
    vi.stubGlobal("fetch", (url: string) => {
      urls.push(url);
      return Promise.resolve(new Response(reply));
    });
    vi.resetModules();
    await import(`../${folder}/index.ts`);
    expect(served).toHaveLength(1);
    const response = await served[0]?.(
      post(OWN_BODIES[folder] ?? BODY),
    );
    expect(await response?.text()).toBe(reply);
    // What a body holds for nothing is noted beside the call.
    const calls = urls.filter((url) => !url.endsWith("/note_unused_fields"));
    expect(calls).toEqual([
      expect.stringMatching(/^http:\/\/api\.test\/rest\/v1\/rpc\/[a-z_]+$/),
    ]);
  });
});
