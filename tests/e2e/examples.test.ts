import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { checkoutDir, denoCacheDir, denoProgram } from "../../stack/paths.ts";
import { admin } from "../support/db.ts";
import { stack } from "../support/stack.ts";
import {
  createOwner,
  createTask,
  createTasks,
  createToken,
  type Owner,
  readTask,
  reset,
} from "../support/world.ts";

interface Example {
  readonly child: ChildProcess;
  readonly events: Record<string, unknown>[];
}

// Every example is a process or three, on a machine that does other things too.
const WAIT = { timeout: 240_000, interval: 50 };
const started: Example[] = [];
let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner({ maxInProgress: 5 });
});

// Gracefully: what a killed one had asked for would meet the next reset.
afterEach(async () => {
  for (const example of started.splice(0)) {
    example.child.kill("SIGTERM");
    await untilExit(example);
  }
});

/** How each runtime starts an example. */
const RUNTIMES = {
  node: [process.execPath, "--import", "tsx"],
  deno: [
    ...[denoProgram(), "run", "--no-prompt", "--allow-net", "--allow-env"],
    "--config=supabase/functions/deno.json",
  ],
};

/** Starts an example as its first lines say; its events as they come. */
function start(
  name: string,
  env: Readonly<Record<string, string>> = {},
  runtime: keyof typeof RUNTIMES = "node",
) {
  const [program = "", ...args] = RUNTIMES[runtime];
  const child = spawn(program, [...args, join("examples", name)], {
    cwd: checkoutDir,
    env: {
      ...process.env,
      SUPABASE_URL: stack().apiUrl,
      DENO_DIR: denoCacheDir,
      QUEUE_KEY: stack().secretKey,
      POLL_MS: "200",
      SIGN_MS: "200",
      ...env,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const example: Example = { child, events: [] };
  started.push(example);
  createInterface({ input: child.stdout }).on("line", (line) => {
    example.events.push(JSON.parse(line));
  });
  return example;
}

async function untilExit({ child }: Example): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    await once(child, "exit");
  }
  return child.exitCode;
}

async function untilIs(id: string, status: string): Promise<void> {
  await vi.waitFor(
    async () => expect(await readTask(id)).toMatchObject({ status }),
    WAIT,
  );
}

/** The handler runs, and its own report has been heard. */
async function untilBegan(id: string): Promise<void> {
  await vi.waitFor(
    async () =>
      expect(await readTask(id)).toMatchObject({ output_location: "Began" }),
    WAIT,
  );
}

describe("examples/worker.ts", () => {
  it("claims, sends heartbeats, reports and completes, one task after the other", async () => {
    const params = { seconds: 0.5 };
    const ids = await createTasks(owner, 2, { params });
    const worker = start("worker.ts", { WORKER_ID: "example-1" });
    for (const id of ids) {
      await untilIs(id, "Complete");
      expect(await readTask(id)).toMatchObject({
        worker_id: "example-1",
        attempts: 1,
        output_location: `https://example.com/${id}.mp4`,
        generation_created: true,
      });
    }
    const [row] = await admin()`
      select status, last_heartbeat from public.workers where id = 'example-1'
    `;
    expect(row).toMatchObject({
      status: "active",
      last_heartbeat: expect.any(Date),
    });
    const lines = await admin()`
      select message from public.system_logs where worker_id = 'example-1'
    `;
    expect(lines).toContainEqual({ message: "Will take 0.5 s" });
    worker.child.kill("SIGTERM");
    expect(await untilExit(worker)).toBe(0);
  });

  it("says once that it waits, and takes what comes then", async () => {
    const worker = start("worker.ts", { WORKER_ID: "example-2" });
    const isWaiting = { worker_id: "example-2", event: "waiting" };
    await vi.waitFor(() => expect(worker.events).toEqual([isWaiting]), WAIT);
    const id = await createTask(owner, { params: { seconds: 0 } });
    await untilIs(id, "Complete");
    await vi.waitFor(() => expect(worker.events).toHaveLength(4), WAIT);
    expect(worker.events.map(({ event }) => event))
      .toEqual(["waiting", "claimed", "completed", "waiting"]);
  });

  it.each(["node", "deno"] as const)(
    "hands its task back on SIGTERM, and no start is burned (%s)",
    async (runtime) => {
      const id = await createTask(owner, { params: { seconds: 600 } });
      const worker = start("worker.ts", {}, runtime);
      await untilBegan(id);
      worker.child.kill("SIGTERM");
      expect(await untilExit(worker)).toBe(0);
      expect(await readTask(id)).toMatchObject({
        status: "Queued",
        readiness: "ready",
        attempts: 0,
        worker_id: null,
      });
      expect(worker.events.map(({ event }) => event))
        .toEqual(["claimed", "handed back"]);
    },
  );

  it("lets go of a task that is cancelled, and takes the next", async () => {
    const id = await createTask(owner, { params: { seconds: 600 } });
    const worker = start("worker.ts");
    await untilBegan(id);
    await admin()`
      update public.tasks set status = 'Cancelled' where id = ${id}
    `;
    const next = await createTask(owner, { params: { seconds: 0 } });
    await untilIs(next, "Complete");
    expect(worker.events).toContainEqual({
      worker_id: expect.any(String),
      event: "dropped",
      task_id: id,
      detail: "cancelled",
    });
    expect(await readTask(id)).toMatchObject({ status: "Cancelled" });
  });

  it("fails for good what nobody could do", async () => {
    const id = await createTask(owner, { params: { seconds: "soon" } });
    start("worker.ts");
    await untilIs(id, "Failed");
    expect(await readTask(id)).toMatchObject({
      error_message: "seconds must be a number",
      attempts: 1,
    });
  });

  it("works for one user with a token, and learns of a cancellation", async () => {
    const id = await createTask(owner, { params: { seconds: 600 } });
    const other = await createTask(await createOwner());
    const worker = start("worker.ts", {
      QUEUE_KEY: await createToken(owner),
    });
    await untilIs(id, "In Progress");
    await admin()`
      update public.tasks set status = 'Cancelled' where id = ${id}
    `;
    await vi.waitFor(
      () =>
        expect(worker.events).toContainEqual(
          expect.objectContaining({ event: "dropped", task_id: id }),
        ),
      WAIT,
    );
    expect(await readTask(other)).toMatchObject({ status: "Queued" });
  });

  it("ends with what the queue says to a bad key", async () => {
    const worker = start("worker.ts", { QUEUE_KEY: "tq_unknown" });
    expect(await untilExit(worker)).toBe(1);
    expect(worker.events.at(-1)).toEqual({
      error: expect.stringContaining("UNKNOWN_TOKEN"),
    });
  });
});

describe("examples/autoscaler.ts", () => {
  it("starts as many workers as are suggested, and stops them again", async () => {
    const params = { seconds: 1 };
    const ids = await createTasks(owner, 3, { params });
    const scaler = start("autoscaler.ts", { MAX_WORKERS: "2", PATIENCE: "2" });
    for (const id of ids) await untilIs(id, "Complete");
    const workers = await admin()`select id from public.workers`;
    expect(workers).toHaveLength(2);
    await vi.waitFor(
      () =>
        expect(scaler.events).toContainEqual(
          expect.objectContaining({ wanted: 0, running: 0 }),
        ),
      WAIT,
    );
    scaler.child.kill("SIGTERM");
    expect(await untilExit(scaler)).toBe(0);
  });
});
