import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Gateway, startGateway } from "./gateway.ts";
import { secretKey, serviceRoleKey, signJwt } from "./keys.ts";
import type { Upstream } from "./proxy.ts";
import type { FunctionConfig } from "./supabase-config.ts";

// One server plays PostgREST on a unix socket, another a function on a port;
// both answer with what reached them.
let dir: string;
let rest: Server;
let fn: Server;
let gateway: Gateway;
let restUpstream: Upstream | undefined;
let isStarting: boolean;
let log: string[];

const echo: RequestListener = async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({
    method: request.method,
    url: request.url,
    authorization: request.headers.authorization,
    host: request.headers.host,
    bytes: Buffer.concat(chunks).length,
  }));
};

function functionNamed(name: string): FunctionConfig | undefined {
  if (!["open", "guarded", "broken"].includes(name)) return undefined;
  const verifyJwt = name === "guarded";
  return { name, verifyJwt, entrypoint: "", denoConfig: undefined };
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "gateway-"));
  log = [];
  const socketPath = join(dir, "rest.sock");
  rest = createServer(echo);
  fn = createServer(echo);
  await new Promise<void>((done) => rest.listen(socketPath, done));
  await new Promise<void>((done) => fn.listen(0, "127.0.0.1", done));
  const address = fn.address();
  const fnPort = typeof address === "object" ? address?.port ?? 0 : 0;
  restUpstream = { socketPath };
  isStarting = false;
  gateway = await startGateway({
    port: 0,
    rest: () => restUpstream,
    storage: { handle: (_request, response) => void response.end() },
    functions: () =>
      isStarting ? undefined : {
        find: functionNamed,
        port: (name) =>
          name === "broken"
            ? Promise.reject(new Error("Unexpected token"))
            : Promise.resolve(fnPort),
      },
    log: (line) => log.push(line),
  });
});

afterEach(async () => {
  await gateway.stop();
  rest.closeAllConnections();
  fn.closeAllConnections();
  rest.close();
  fn.close();
  rmSync(dir, { recursive: true });
});

const call = (path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${gateway.port}${path}`, init);
const apikey = { apikey: secretKey };

describe("startGateway() before PostgREST", () => {
  it("strips /rest/v1 and exchanges the key", async () => {
    const reply = await call("//rest//v1/tasks?select=id", { headers: apikey });
    expect(await reply.json()).toMatchObject({
      method: "GET",
      url: "/tasks?select=id",
      authorization: `Bearer ${serviceRoleKey}`,
    });
  });

  it("answers 401 with CORS headers when there is no key", async () => {
    const reply = await call("/rest/v1/tasks");
    expect(reply.status).toBe(401);
    expect(reply.headers.get("access-control-allow-origin")).toBe("*");
  });

  it("answers a preflight itself, without a key", async () => {
    const reply = await call("/rest/v1/tasks", {
      method: "OPTIONS",
      headers: {
        origin: "http://app.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-custom",
      },
    });
    expect(reply.status).toBe(204);
    expect(reply.headers.get("access-control-allow-origin"))
      .toBe("http://app.test");
    expect(reply.headers.get("access-control-allow-headers")).toBe("x-custom");
  });

  it("answers 502 when it is not there and 503 while it restarts", async () => {
    restUpstream = { socketPath: join(dir, "nobody.sock") };
    expect((await call("/rest/v1/x", { headers: apikey })).status).toBe(502);
    restUpstream = undefined;
    expect((await call("/rest/v1/x", { headers: apikey })).status).toBe(503);
  });
});

describe("startGateway() before functions", () => {
  it("passes the path from the function's name on, and the body", async () => {
    const reply = await call("//functions/v1/open/tasks/1?x=1", {
      method: "POST",
      body: new Uint8Array(3_000_000),
      headers: { authorization: "Bearer opaque" },
    });
    expect(await reply.json()).toEqual({
      method: "POST",
      url: "/open/tasks/1?x=1",
      authorization: "Bearer opaque",
      host: `127.0.0.1:${gateway.port}`,
      bytes: 3_000_000,
    });
  });

  it("answers 404 to an unknown function and an unknown path", async () => {
    expect((await call("/functions/v1/nothing")).status).toBe(404);
    expect((await call("/functions/v1/")).status).toBe(404);
    expect((await call("/auth/v1/token")).status).toBe(404);
  });

  it("asks for a JWT where verify_jwt says so, not of a preflight", async () => {
    const authorization = `Bearer ${signJwt({ sub: "owner" })}`;
    const url = "/functions/v1/guarded";
    expect((await call(url, { headers: apikey })).status).toBe(401);
    expect((await call(url, { headers: { authorization } })).status).toBe(200);
    expect((await call(url, { method: "OPTIONS" })).status).toBe(200);
  });

  it("answers 503 until the stack has started", async () => {
    isStarting = true;
    const reply = await call("/functions/v1/open");
    expect(reply.status).toBe(503);
    expect(await reply.json()).toMatchObject({ code: "STARTING" });
  });

  it("answers 503 BOOT_ERROR with Deno's words", async () => {
    const reply = await call("/functions/v1/broken");
    expect(reply.status).toBe(503);
    expect(await reply.json()).toEqual({
      code: "BOOT_ERROR",
      message: "Function failed to start: Unexpected token",
    });
  });
});

describe("startGateway() log", () => {
  it("writes one line per request and never the key", async () => {
    const reply = await call(`/rest/v1/tasks?apikey=${secretKey}&id=eq.1`);
    await reply.text();
    expect(log).toEqual([
      expect.stringMatching(/^GET \/rest\/v1\/tasks\?id=eq\.1 200 \d+ ms$/),
    ]);
  });
});
