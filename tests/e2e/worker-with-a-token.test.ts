/**
 * How the kit's worker shows that it lives, as a process behind a gateway that
 * sees and spoils its calls: with a user's token by the function `beat`, with a
 * service key by the Data API.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import process from "node:process";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkoutDir } from "../../stack/paths.ts";
import { admin } from "../support/db.ts";
import { relay } from "../support/relay.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

const ROUTE = "/functions/v1/beat";
const DATA_API = "/rest/v1/rpc/func_worker_heartbeat_with_logs";
const WAIT = { timeout: 240_000, interval: 50 };

let owner: Owner;
let gateway: Server;
/** Every beat, by its path and body. */
let beats: { path: string; body: string }[];
/** What the gateway answers beats with; null = it passes them on. */
let answer: number | null;
let child: ChildProcess;
let events: unknown[];

beforeEach(async () => {
  await reset();
  owner = await createOwner();
  [beats, answer, events] = [[], null, []];
  gateway = createServer((request, response) => {
    const path = request.url ?? "";
    if (path !== ROUTE && path !== DATA_API) {
      return relay(request, response, "none");
    }
    const beat = { path, body: "" };
    request.on("data", (chunk) => beat.body += String(chunk));
    request.once("end", () => beats.push(beat));
    if (answer === null) return relay(request, response, "none");
    response.writeHead(answer, { "content-type": "application/json" });
    response.end(JSON.stringify({ error: "not today" }));
  });
  await new Promise<void>((done) => gateway.listen(0, "127.0.0.1", done));
});

afterEach(async () => {
  await end();
  gateway.closeAllConnections();
  await new Promise((done) => gateway.close(done));
});

describe("a worker with a user's token", () => {
  it("sends heartbeats to the function, and never to the Data API", async () => {
    const id = await createTask(owner, { params: { seconds: 600 } });
    await start(await createToken(owner));
    await vi.waitFor(
      async () =>
        expect(await readTask(id)).toMatchObject({
          status: "In Progress",
          is_beaten_for: true,
        }),
      WAIT,
    );
    expect(new Set(beats.map(({ path }) => path))).toEqual(new Set([ROUTE]));
    expect(beats.map(({ body }) => JSON.parse(body))).toContainEqual(
      expect.objectContaining({ status: "active", task_ids: [id] }),
    );
    const lines = await admin()`select message from public.system_logs`;
    expect(lines).toContainEqual({ message: "Will take 600 s" });
  });

  it("learns from a heartbeat that its task was cancelled", async () => {
    const id = await createTask(owner, { params: { seconds: 600 } });
    await start(await createToken(owner));
    await untilRuns(id);
    await admin()`
      update public.tasks set status = 'Cancelled' where id = ${id}
    `;
    await untilEvent({ event: "dropped", task_id: id, detail: "cancelled" });
  });

  it("says goodbye on SIGTERM, after it has released what it held", async () => {
    const id = await createTask(owner, { params: { seconds: 600 } });
    await start(await createToken(owner));
    await untilRuns(id);
    expect(await end()).toBe(0);
    expect(await readTask(id)).toMatchObject({
      status: "Queued",
      attempts: 0,
      worker_id: null,
    });
    expect(JSON.parse(beats.at(-1)?.body ?? ""))
      .toMatchObject({ status: "terminated" });
  });

  it.each([503, 401, 500])(
    "goes on and completes while its beats are answered %i",
    async (status) => {
      answer = status;
      const id = await createTask(owner, { params: { seconds: 0.5 } });
      await start(await createToken(owner));
      await vi.waitFor(
        async () =>
          expect(await readTask(id)).toMatchObject({ status: "Complete" }),
        WAIT,
      );
      await untilEvent({ event: "unheard" });
      answer = null;
      const next = await createTask(owner, { params: { seconds: 600 } });
      await vi.waitFor(
        async () =>
          expect(await readTask(next)).toMatchObject({ is_beaten_for: true }),
        WAIT,
      );
    },
  );
});

it("a worker with a service key sends heartbeats to the Data API, and says goodbye there", async () => {
  const id = await createTask(owner, { params: { seconds: 600 } });
  await start(stack().secretKey);
  await untilRuns(id);
  expect(await end()).toBe(0);
  expect(new Set(beats.map(({ path }) => path))).toEqual(new Set([DATA_API]));
  expect(JSON.parse(beats.at(-1)?.body ?? ""))
    .toMatchObject({ status_param: "terminated" });
});

/** Starts the example; its events as they come. */
async function start(key: string): Promise<void> {
  const address = gateway.address();
  const port = typeof address === "object" ? address?.port : undefined;
  child = spawn(process.execPath, ["--import", "tsx", "examples/worker.ts"], {
    cwd: checkoutDir,
    env: {
      ...process.env,
      SUPABASE_URL: `http://127.0.0.1:${port}`,
      QUEUE_KEY: key,
      WORKER_ID: "my-machine",
      POLL_MS: "200",
      SIGN_MS: "200",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  createInterface({ input: child.stdout! })
    .on("line", (line) => events.push(JSON.parse(line)));
  await once(child, "spawn");
}

/** Its exit code. Gracefully: what a killed one asked for meets the next test. */
async function end(): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  return child.exitCode;
}

/** The handler runs, and a beat has been sent. */
async function untilRuns(id: string): Promise<void> {
  await vi.waitFor(
    async () =>
      expect(await readTask(id)).toMatchObject({ output_location: "Began" }),
    WAIT,
  );
  await vi.waitFor(() => expect(beats).not.toEqual([]), WAIT);
}

async function untilEvent(event: Record<string, unknown>): Promise<void> {
  await vi.waitFor(
    () => expect(events).toContainEqual(expect.objectContaining(event)),
    WAIT,
  );
}
