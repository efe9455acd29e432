import { readdirSync } from "node:fs";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { ENDPOINTS as CONTRACTS } from "../../../shared/endpoints.ts";
import { VERSION } from "../../../shared/version.ts";
import { createFileWorld, target } from "./_test/fake-storage.ts";
import {
  KEYS,
  outcome,
  post,
  signUserToken,
  SUPABASE_URL,
  TASK_ID,
  USER_ID,
} from "./_test/fakes.ts";
import { ENDPOINTS } from "./endpoints.ts";
import type { CreateHandler, Handler } from "./frame/endpoint.ts";

const ALL: Readonly<Record<string, CreateHandler>> = ENDPOINTS;
const NAMES = Object.keys(ALL).toSorted();

/** A deployed name of another endpoint. */
const ALIASES: Readonly<Record<string, string>> = {
  "complete_task": "complete-task",
};
const FOLDERS = readdirSync(new URL("..", import.meta.url), {
  withFileTypes: true,
}).filter((entry) => entry.isDirectory() && !entry.name.startsWith("_"))
  // The router is no endpoint: see router.test.ts.
  .map((entry) => entry.name).filter((name) => name !== "fairlane");

/** Enough for any endpoint, but for those that take one subject only. */
const BODY = { task_id: TASK_ID, status: "Failed", worker_id: "w" };
const OWN_BODIES: Readonly<Record<string, unknown>> = {
  "create-task": { task_id: TASK_ID, task_type: "t" },
  "explain": { task_id: TASK_ID },
  "generate-upload-url": { task_id: TASK_ID, filename: "a.mp4" },
  "get-completed-segments": { run_id: "20260111120000" },
  "get-orchestrator-children": { orchestrator_task_id: TASK_ID },
  "cancel-tasks": { status: "Queued" },
  "update-shot-pair-prompts": {
    shot_id: TASK_ID,
    task_id: TASK_ID,
    enhanced_prompts: [],
  },
  "beat": { worker_id: "w" },
  "update-worker-model": { worker_id: "w", model: "wan" },
};
const REPLY =
  `{"task_id":"${TASK_ID}","task_type":"t","params":{},"project_id":null}`;

/** The longest bodies that are read, where it is not a mebibyte. */
const OWN_LIMITS: Readonly<Record<string, number>> = {
  "beat": 16 << 20,
  "cancel-tasks": 128 << 10,
  "complete-task": 8 << 20,
  "mark-task-failed": 16 << 20,
  "update-task-status": 16 << 20,
};

/** Replies of another shape. */
const OWN_REPLIES: Readonly<Record<string, string>> = {
  "health": JSON.stringify({ version: VERSION, status: "ok" }),
  "get-completed-segments": "[]",
  "generate-upload-url": target(),
  "sweep-files": '{"files": [], "next": null}',
};
/** They answer what they make of it. */
const OWN_WORDS = ["generate-upload-url", "sweep-files"];

const CALLERS = {
  service: () => ({ credential: KEYS.secret, caller: { kind: "service" } }),
  token: () => ({
    credential: KEYS.token,
    caller: { kind: "token", hash: expect.any(String) },
  }),
  user: async () => ({
    credential: await signUserToken(),
    caller: { kind: "user", user_id: USER_ID },
  }),
};

const bodyOf = (name: string) => OWN_BODIES[name] ?? BODY;
/** The same, of so many bytes. */
const bodyOfSize = (name: string, size: number) => {
  const text = JSON.stringify(bodyOf(name)).slice(0, -1);
  return `${text},"rest":"${"x".repeat(size - text.length - 11)}"}`;
};
const replyOf = (name: string) => OWN_REPLIES[name] ?? REPLY;

/** The endpoint in a world where the database answers it as it expects. */
function serve(name: string) {
  const rpc = new Proxy({}, { get: () => () => replyOf(name) });
  const world = createFileWorld({ rpc });
  const handler = ALL[name]?.(world.deps);
  if (handler === undefined) throw new Error(`There is no endpoint ${name}`);
  return { ...world, handler };
}

test("the endpoints are those of the contracts, and so are the folders", () => {
  const contracts = Object.keys(CONTRACTS).toSorted();
  expect(FOLDERS.toSorted()).toEqual(contracts);
  expect([...NAMES, ...Object.keys(ALIASES)].toSorted()).toEqual(contracts);
});

describe.each(NAMES)("%s", (name) => {
  const contract = CONTRACTS[name];

  test.each(["service", "token", "user"] as const)(
    "hears callers of the kind %s, or does not, as its contract says",
    async (kind) => {
      const { handler, rpcCalls } = serve(name);
      const { credential, caller } = await CALLERS[kind]();
      const request = post(bodyOf(name), {
        authorization: `Bearer ${credential}`,
      });
      const isHeard = contract?.callers.includes(kind);
      expect(await outcome(handler, request))
        .toBe(isHeard ? "200" : "403 FORBIDDEN");
      expect(rpcCalls.length > 0).toBe(isHeard);
      for (const { args } of rpcCalls) {
        expect(args["p_caller"]).toEqual(caller);
      }
    },
  );

  test("asks nothing for who sends no credential, another method or no JSON", async () => {
    const { handler, rpcCalls } = serve(name);
    expect(await outcome(handler, post(bodyOf(name), {})))
      .toBe("401 MISSING_CREDENTIALS");
    const put = new Request("http://functions.test/any", { method: "PUT" });
    expect(await outcome(handler, put))
      .toBe("405 METHOD_NOT_ALLOWED");
    for (const body of ["", "{", "[]", "null", '"text"']) {
      expect(await outcome(handler, post(body))).toBe("400 INVALID_BODY");
    }
    expect(rpcCalls).toEqual([]);
  });

  test("reads a body as long as its limit and none that is longer", async () => {
    const { handler } = serve(name);
    const limit = OWN_LIMITS[name] ?? 1 << 20;
    expect(await outcome(handler, post(bodyOfSize(name, limit)))).toBe("200");
    expect(await outcome(handler, post(bodyOfSize(name, limit + 1))))
      .toBe("413 BODY_TOO_LARGE");
  });

  test("says on each answer whose it is, and that any page may read it", async () => {
    const { handler, lines, rpcCalls } = serve(name);
    const headers = { apikey: KEYS.secret, "x-request-id": "id-1" };
    for (const body of [bodyOf(name), "["]) {
      const response = await handler(post(body, headers));
      expect(response.headers.get("x-request-id")).toBe("id-1");
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
    }
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({
        function: name,
        request_id: "id-1",
      });
    }
    expect(new Set(rpcCalls.map(({ requestId }) => requestId)))
      .toEqual(new Set(["id-1"]));
  });
});

test("reads of a task by a token, and no other calls, are noted as a sign of life", async () => {
  const noted: string[] = [];
  for (const name of NAMES) {
    const { handler, rpcCalls } = serve(name);
    await handler(
      post(bodyOf(name), { authorization: `Bearer ${KEYS.token}` }),
    );
    const notes = rpcCalls.filter((call) => call.name === "note_call");
    for (const { args } of notes) expect(args["p_task_id"]).toBe(TASK_ID);
    if (notes.length > 0) noted.push(name);
  }
  expect(noted).toEqual([
    "explain",
    "get-orchestrator-children",
    "get-predecessor-output",
    "get-task-output",
    "get-task-status",
  ]);
});

describe("entry files", () => {
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
  });

  test.each(FOLDERS)("%s serves its endpoint", async (folder) => {
    const name = ALIASES[folder] ?? folder;
    const urls: string[] = [];
    const lines: string[] = [];
    for (const level of ["info", "warn", "error"] as const) {
      vi.spyOn(console, level).mockImplementation((line) => lines.push(line));
    }
    vi.stubGlobal("fetch", (url: string) => {
      urls.push(url);
      return Promise.resolve(new Response(replyOf(name)));
    });
    vi.resetModules();
    await import(`../${folder}/index.ts`);
    expect(served).toHaveLength(1);
    const response = await served[0]?.(post(bodyOf(name)));
    if (!OWN_WORDS.includes(name)) {
      expect(await response?.text()).toBe(replyOf(name));
    }
    expect(lines.map((line) => JSON.parse(line).function)).toEqual([name]);
    // What a body holds for nothing is noted beside the call.
    const calls = urls.filter((url) =>
      url.includes("/rest/v1/") &&
      !url.endsWith("/note_unused_fields")
    );
    expect(calls).toEqual([
      expect.stringMatching(/^http:\/\/api\.test\/rest\/v1\/rpc\/[a-z_]+$/),
    ]);
  });
});
