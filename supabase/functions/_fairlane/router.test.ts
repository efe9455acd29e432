import { beforeEach, describe, expect, test, vi } from "vitest";
import { ErrorBody } from "../../../shared/error-codes.ts";
import { createWorld, KEYS, post, TASK_ID } from "./_test/fakes.ts";
import { ENDPOINTS } from "./endpoints.ts";
import { createRouter } from "./router.ts";

const NAMES = Object.keys(ENDPOINTS).toSorted();

function serve() {
  const world = createWorld(`{"task_id":"${TASK_ID}"}`);
  return { ...world, handler: createRouter(ENDPOINTS, world.deps) };
}

/** A POST to a path, in the name of the service. */
function to(path: string, body: unknown = {}): Request {
  return new Request(`http://functions.test${path}`, post(body));
}

test.each(NAMES)("%s is a route, and the log names it", async (name) => {
  const { handler, lines } = serve();
  const response = await handler(to(`/fairlane/${name}`, "["));
  expect(ErrorBody.parse(await response.json()).code).toBe("INVALID_BODY");
  expect(lines.map((line) => JSON.parse(line).function)).toEqual([name]);
});

test.each([
  "/fairlane/get-task-status",
  "/fairlane/get-task-status/",
  "//fairlane//get-task-status?x=1",
  "/functions/v1/fairlane/get-task-status",
])("%s is the route get-task-status", async (path) => {
  const { handler, rpcCalls } = serve();
  const response = await handler(to(path, { task_id: TASK_ID }));
  expect(response.status).toBe(200);
  expect(rpcCalls.map((call) => call.name)).toEqual(["get_task_status"]);
});

test.each([
  "/",
  "/fairlane",
  "/fairlane/nothing",
  "/fairlane/toString",
  "/fairlane/complete_task",
  "/fairlane/beat/more",
  "/get-task-status",
])("%s is no route: 404 with those that there are", async (path) => {
  const { handler, rpcCalls, lines } = serve();
  const response = await handler(to(path));
  expect(response.status).toBe(404);
  const error = ErrorBody.parse(await response.json());
  expect(error.code).toBe("ROUTE_NOT_FOUND");
  expect(error.details).toEqual({ routes: NAMES });
  expect(response.headers.get("access-control-allow-origin")).toBe("*");
  expect(response.headers.get("x-request-id")).toBe("fresh-request-id");
  expect(lines.map((line) => JSON.parse(line).code))
    .toEqual(["ROUTE_NOT_FOUND"]);
  expect(rpcCalls).toEqual([]);
});

test("a browser may ask before any route", async () => {
  const { handler } = serve();
  for (const path of ["/fairlane/beat", "/fairlane/nothing"]) {
    const request = new Request(`http://f.test${path}`, { method: "OPTIONS" });
    expect((await handler(request)).status).toBe(204);
  }
});

describe("the entry file", () => {
  const served: unknown[] = [];
  const HOSTED: Readonly<Record<string, string>> = {
    SUPABASE_URL: "http://api.test",
    SUPABASE_SECRET_KEYS: JSON.stringify({ default: KEYS.secret }),
    SUPABASE_DB_URL: "postgresql://postgres:x@127.0.0.1:1/postgres",
  };

  async function boot(
    variables: Readonly<Record<string, string>>,
    folder = "fairlane",
  ) {
    vi.stubGlobal("Deno", {
      env: { get: (name: string) => variables[name] },
      serve: (handler: unknown) => served.push(handler),
    });
    vi.resetModules();
    await import(`../${folder}/index.ts`);
  }

  beforeEach(() => {
    served.length = 0;
  });

  test("serves the routes", async () => {
    await boot(HOSTED);
    expect(served).toHaveLength(1);
  });

  test.each(["SUPABASE_DB_URL", "SUPABASE_URL", "SUPABASE_SECRET_KEYS"])(
    "does not come up without %s",
    async (name) => {
      await expect(boot({ ...HOSTED, [name]: " " })).rejects.toThrow(name);
      expect(served).toEqual([]);
    },
  );
});
