import { beforeAll, describe, expect, it } from "vitest";
import { isServed, pathOf } from "../support/profile.ts";
import { expectError } from "../support/replies.ts";
import { send } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { reset } from "../support/world.ts";

const NAMES = [
  "task-counts",
  "claim-next-task",
  "complete-task",
  "complete_task",
  "update-task-status",
  "mark-task-failed",
  "create-task",
  "worker-health",
  "sweep-files",
  "health",
  "get-task-status",
  "get-task-output",
  "get-predecessor-output",
  "get-completed-segments",
  "get-orchestrator-children",
  "cancel-tasks",
  "beat",
  "update-worker-model",
  "update-shot-pair-prompts",
];

beforeAll(reset);

describe.each(NAMES.filter(isServed))("%s over HTTP", (name) => {
  const path = `/functions/v1${pathOf(name)}`;
  const headers = () => ({
    authorization: `Bearer ${stack().serviceRoleKey}`,
    "content-type": "application/json",
  });

  it("lets a browser ask first", async () => {
    const reply = await send(path, {
      method: "OPTIONS",
      headers: {
        origin: "https://app.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,apikey",
      },
    });
    expect(reply.status).toBe(204);
    expect(reply.headers.get("access-control-allow-origin")).toBe("*");
    expect(reply.headers.get("access-control-allow-credentials")).toBeNull();
    const allowed = reply.headers.get("access-control-allow-headers");
    for (const name of ["authorization", "content-type", "apikey"]) {
      expect(allowed).toContain(name);
    }
    expect(reply.headers.get("access-control-allow-methods")).toContain("POST");
  });

  it("shows errors to browsers too", async () => {
    const reply = await send(path, {
      method: "POST",
      headers: { origin: "x" },
    });
    expectError(reply, "MISSING_CREDENTIALS");
    expect(reply.headers.get("access-control-allow-origin")).toBe("*");
    expect(reply.headers.get("access-control-expose-headers"))
      .toContain("x-request-id");
  });

  const get = name === "task-counts" ? [] : ["GET"];
  it.each([...get, "PUT", "DELETE", "PATCH"])("refuses %s", async (method) => {
    const reply = await send(path, { method, headers: headers() });
    expectError(reply, "METHOD_NOT_ALLOWED");
    expect(reply.headers.get("allow")).toContain("POST");
  });

  it("repeats a caller's request id and makes one where there is none", async () => {
    const sent = { ...headers(), "x-request-id": "client-1.2_3" };
    const body = "{}";
    const own = await send(path, { method: "POST", headers: sent, body });
    expect(own.headers.get("x-request-id")).toBe("client-1.2_3");
    const bad = { ...headers(), "x-request-id": 'a b"{}' };
    const made = await send(path, { method: "POST", headers: bad, body });
    expect(made.headers.get("x-request-id")).toMatch(/^[\w.-]{16,}$/);
  });

  it("answers below two slashes as below one", async () => {
    const [one, two] = await Promise.all(
      [path, `/${path}`].map((url) =>
        send(url, { method: "POST", headers: headers(), body: "{}" })
      ),
    );
    expect(two?.status).toBe(one?.status);
    expect(two?.status).not.toBe(404);
  });

  it("refuses what is no JSON object in its own words", async () => {
    for (const body of ["", "{", "[]", "null", '"text"', "{}}", "\u0000"]) {
      const reply = await send(path, {
        method: "POST",
        headers: headers(),
        body,
      });
      const error = expectError(reply, "INVALID_BODY");
      expect(error.message).not.toMatch(/SyntaxError|position|zod|at \S+:\d/i);
    }
  });
});

describe("a function that does not exist", () => {
  it("answers 404", async () => {
    const reply = await send("/functions/v1/no-such-function", {
      method: "POST",
    });
    expect(reply.status).toBe(404);
  });
});
