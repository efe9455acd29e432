import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
  vi,
} from "vitest";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { guestMigration } from "../../gate/migrations/guest.ts";
import { query } from "../../gate/query.ts";
import { startChild, stopChild } from "../../stack/child.ts";
import { functionEnvironment } from "../../stack/function-env.ts";
import {
  type FunctionProcess,
  startFunction,
} from "../../stack/function-process.ts";
import { secretKey } from "../../stack/keys.ts";
import {
  checkoutDir,
  denoCacheDir,
  denoProgram,
  supabaseDir,
} from "../../stack/paths.ts";
import { stackAddresses } from "../../stack/stack-addresses.ts";
import { readSupabaseConfig } from "../../stack/supabase-config.ts";

// A worker is a process of its own, on a machine that does other things too.
const WAIT = { timeout: 60_000, interval: 50 };

/** How a template is started, and what tests put into copies of it. */
interface Kind {
  readonly template: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly handlers: Readonly<Record<Handler, string>>;
  /** The lines with the times, and what to put there instead. */
  readonly quickBeats: readonly [string, string];
  readonly noPatience: readonly [string, string];
}
type Handler = "works" | "failsFirst" | "waits" | "isCancelledFirst";

const PYTHON = {
  template: "worker.py",
  handlers: {
    works: `
def handle(task):
    return "https://files.test/" + task["params"]["name"]
`,
    failsFirst: `
def handle(task):
    if task["params"]["name"] == "first":
        raise RuntimeError("first: no such model")
    return "done"
`,
    waits: `
def handle(task):
    print("at work", flush=True)
    time.sleep(600)
`,
    // A heartbeat tells it; the result is handed in all the same.
    isCancelledFirst: `
def handle(task):
    if task["params"]["name"] == "first":
        call("cancel-tasks", {"task_ids": [task["task_id"]], "status": "In Progress"}, 0)
        lost.wait()
    return "done"
`,
  },
  quickBeats: [
    "POLL, BEAT, ONCE = 10, 20, 60",
    "POLL, BEAT, ONCE = 10, 0.05, 60",
  ],
  noPatience: ["POLL, BEAT, ONCE = 10, 20, 60", "POLL, BEAT, ONCE = 10, 20, 0"],
} as const;

const TYPESCRIPT = {
  template: "worker.ts",
  handlers: {
    works: `
async function handle(task: Task): Promise<string> {
  return "https://files.test/" + task.params["name"];
}
`,
    failsFirst: `
async function handle(task: Task): Promise<string> {
  if (task.params["name"] === "first") throw new Error("first: no such model");
  return "done";
}
`,
    // It does not listen to its signal.
    waits: `
async function handle(): Promise<string> {
  console.log("at work");
  await sleep(600_000);
  return "late";
}
`,
    isCancelledFirst: `
async function handle(task: Task): Promise<string> {
  if (task.params["name"] === "first") {
    await call("cancel-tasks", { task_ids: [task.task_id], status: "In Progress" }, 0, 60_000);
    await sleep(600_000);
  }
  return "done";
}
`,
  },
  quickBeats: ["BEAT_MS = 20_000", "BEAT_MS = 50"],
  noPatience: ["ONCE_MS = 60_000", "ONCE_MS = 0"],
} as const;

const KINDS: Readonly<Record<string, Kind>> = {
  python: { ...PYTHON, program: "python3", args: [] },
  node: {
    ...TYPESCRIPT,
    program: process.execPath,
    args: ["--import", "tsx"],
  },
  deno: {
    ...TYPESCRIPT,
    program: denoProgram(),
    args: [
      ...["run", "--no-prompt", "--allow-net", "--allow-env"],
      "--allow-sys=hostname",
    ],
  },
};

let database: ThrowAwayDatabase;
let router: FunctionProcess;
let routerAddress: string;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fairlane worker "));
  const workDir = join(checkoutDir, ".stack", "workers-of-guests");
  mkdirSync(workDir, { recursive: true });
  database = await makeThrowAwayDatabase(workDir, "guest", false);
  await query(database.url, guestMigration(checkoutDir));
  await query(
    database.url,
    `insert into auth.users (id) values ('${user_id}')`,
  );
  const config = readSupabaseConfig(supabaseDir).functions.get("fairlane");
  if (config === undefined) throw new Error("There is no function fairlane");
  // The workers need its database and its key; no other part of a stack runs.
  router = startFunction(
    config,
    functionEnvironment(stackAddresses(1, 1), {
      FAIRLANE_SCHEMA: "",
      SUPABASE_DB_URL: database.url,
    }),
    () => {},
  );
  routerAddress = `http://127.0.0.1:${await router.port}/fairlane`;
}, 300_000);
afterAll(async () => {
  await router?.stop();
  await database?.discard();
  rmSync(folder, { recursive: true, force: true });
});

const children: ChildProcess[] = [];
const gateways: Server[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) {
    await stopChild(child, "SIGTERM", "SIGKILL", 10_000);
  }
  for (const gateway of gateways.splice(0)) {
    gateway.closeAllConnections();
    gateway.close();
  }
  // The next worker is to find its own tasks only.
  await query(database.url, "delete from fairlane.tasks");
});

describe.each(Object.entries(KINDS))("the worker for %s", (_, kind) => {
  it("does a task as it comes, and ends", async () => {
    const id = await createTask();
    const worker = start(kind, template(kind));
    expect(await worker.exit(), worker.output()).toBe(0);
    expect(await readTask(id)).toMatchObject({
      status: "Complete",
      output_location: `https://example.com/${id}.mp4`,
      worker_id: expect.stringMatching(/.-[0-9a-f]{8}$/),
      attempts: 1,
    });
  });

  it("says who it is, takes only its pool, and says goodbye", async () => {
    await createTask();
    const env = { FAIRLANE_WORKER_ID: "mine", FAIRLANE_POOL: "api" };
    const impatient = template(kind).replace(...kind.noPatience);
    const worker = start(kind, impatient, { env });
    expect(await worker.exit(), worker.output()).toBe(1);
    const workers = await query(
      database.url,
      "select id, status from fairlane.workers where id = 'mine'",
    );
    expect(workers).toEqual([{ id: "mine", status: "terminated" }]);
  });

  it("reports a failure with its text, and goes on", async () => {
    const first = await createTask("first");
    const next = await createTask();
    const worker = start(kind, withHandler(kind, "failsFirst"), { args: [] });
    await untilIs(next, "Complete", worker);
    expect(await readTask(first)).toMatchObject({
      status: "Queued",
      error_message: "first: no such model",
      attempts: 1,
    });
    worker.child.kill("SIGTERM");
    expect(await worker.exit(), worker.output()).toBe(0);
  });

  it.each(["SIGTERM", "SIGINT"] as const)(
    "hands its task back on %s, and no attempt is lost",
    async (signal) => {
      const id = await createTask();
      const worker = start(kind, withHandler(kind, "waits"), { args: [] });
      await vi.waitFor(
        () => expect(worker.output()).toContain("at work"),
        WAIT,
      );
      worker.child.kill(signal);
      expect(await worker.exit(), worker.output()).toBe(0);
      expect(await readTask(id)).toMatchObject({
        status: "Queued",
        worker_id: null,
        attempts: 0,
      });
      // By its own report: the goodbye would have freed it, too.
      expect(worker.output()).toContain(`${id} update-task-status`);
    },
  );

  it("hears of a cancellation, drops the result, and goes on", async () => {
    const first = await createTask("first");
    const next = await createTask();
    const text = withHandler(kind, "isCancelledFirst");
    const quick = text.replace(...kind.quickBeats);
    const worker = start(kind, quick, { args: [] });
    await untilIs(next, "Complete", worker);
    expect(worker.output()).toContain(`${first} dropped: `);
    expect(await readTask(first)).toMatchObject({
      status: "Cancelled",
      output_location: null,
    });
  });

  it("repeats what got no answer, and has one task and one result", async () => {
    const first = await createTask("first");
    const next = await createTask();
    const gateway = await startGateway();
    const worker = start(kind, withHandler(kind, "works"), {
      env: { FAIRLANE_URL: `${gateway.address}/` },
    });
    expect(await worker.exit(), worker.output()).toBe(0);
    expect(await readTask(first)).toMatchObject({
      status: "Complete",
      output_location: "https://files.test/first",
      attempts: 1,
    });
    expect(await readTask(next)).toMatchObject({ status: "Queued" });
    const [claim, repeatedClaim, ...claims] = gateway.bodies("claim-next-task");
    expect(claim).toMatchObject({ claim_id: expect.any(String) });
    expect([repeatedClaim, ...claims]).toEqual([claim]);
    const [report, ...reports] = gateway.bodies("complete-task");
    expect(report).toMatchObject({ lease_token: expect.any(String) });
    expect(reports).toEqual([report, report]);
    // As long as the reply's Retry-After at least.
    expect(gateway.pauseMs("complete-task", 1)).toBeGreaterThan(990);
  });

  it("ends with the queue's words when its key is refused", async () => {
    const env = { FAIRLANE_KEY: "sb_secret_of_another_project" };
    const worker = start(kind, template(kind), { env });
    expect(await worker.exit(), worker.output()).toBe(1);
    expect(worker.output()).toMatch(/Cannot claim: .*40[13] .*"code"/);
  });

  it("says what to set", async () => {
    const worker = start(kind, template(kind), { env: { FAIRLANE_KEY: "" } });
    expect(await worker.exit()).toBe(1);
    expect(worker.output()).toContain("Set FAIRLANE_URL and FAIRLANE_KEY");
  });
});

interface Worker {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  output(): string;
  exit(): Promise<number | null>;
}

function template({ template }: Kind): string {
  return readFileSync(join(checkoutDir, "cli", "assets", template), "utf8");
}

/** The template as somebody changes it: at the marked place, and nowhere else. */
function withHandler(kind: Kind, handler: Handler): string {
  const place = /(?<=Your work: begin ----\n)[^]*(?=\n\S+ ---- Your work: end)/;
  const text = template(kind);
  const changed = text.replace(place, () => kind.handlers[handler]);
  if (changed === text) throw new Error("There is no marked place");
  return changed;
}

/** Starts it from a folder without a package.json or any package. */
function start(
  kind: Kind,
  text: string,
  { env = {}, args = ["--once"] }: {
    env?: Readonly<Record<string, string>>;
    args?: readonly string[];
  } = {},
): Worker {
  const file = join(folder, `${randomUUID()}-${kind.template}`);
  writeFileSync(file, text);
  const child = startChild(kind.program, [...kind.args, file, ...args], {
    cwd: checkoutDir,
    env: {
      PATH: process.env["PATH"] ?? "",
      HOME: folder,
      DENO_DIR: denoCacheDir,
      NO_COLOR: "1",
      FAIRLANE_URL: routerAddress,
      FAIRLANE_KEY: secretKey,
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
    deathSignal: "TERM",
  });
  children.push(child);
  let output = "";
  child.stdout?.on("data", (chunk) => output += String(chunk));
  child.stderr?.on("data", (chunk) => output += String(chunk));
  const closed = once(child, "close");
  return {
    child,
    output: () => output,
    async exit() {
      await closed;
      return child.exitCode;
    },
  };
}

/** The path of a project's API. It loses a reply, and answers once as one that is overloaded. */
async function startGateway() {
  const seen: { route: string; body: unknown; at: number }[] = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "", "http://gateway");
    const [, route] = /^\/functions\/v1\/fairlane\/([a-z-]+)$/.exec(pathname) ??
      [];
    if (route === undefined) return response.writeHead(404).end();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const nth = seen.filter((one) => one.route === route).length;
    seen.push({ route, body: JSON.parse(body), at: performance.now() });
    const reply = await fetch(`${routerAddress}/${route}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: request.headers.authorization ?? "",
      },
      body,
    });
    const text = await reply.text();
    // What was lost has happened: the router has answered.
    if (route !== "beat" && nth === 0) return request.socket.destroy();
    if (route === "complete-task" && nth === 1) {
      return response.writeHead(503, { "retry-after": "1" }).end("Busy");
    }
    response.writeHead(reply.status).end(text);
  });
  gateways.push(server);
  await new Promise<void>((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve())
  );
  const of = (route: string) => seen.filter((one) => one.route === route);
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies: (route: string) => of(route).map(({ body }) => body),
    /** Between a request of this route and the next one. */
    pauseMs(route: string, nth: number) {
      const [one, next] = of(route).slice(nth);
      return (next?.at ?? NaN) - (one?.at ?? NaN);
    },
  };
}

const user_id = randomUUID();

async function createTask(name = "clip"): Promise<string> {
  const response = await fetch(`${routerAddress}/create-task`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${secretKey}`,
    },
    body: JSON.stringify({ task_type: "render", user_id, params: { name } }),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text).task_id;
}

async function readTask(id: string): Promise<Record<string, unknown>> {
  const [task] = await query(
    database.url,
    `select * from fairlane.tasks where id = '${id}'`,
  );
  return task ?? {};
}

async function untilIs(
  id: string,
  status: string,
  worker: Worker,
): Promise<void> {
  await vi.waitFor(
    async () =>
      expect(await readTask(id), worker.output()).toMatchObject({ status }),
    WAIT,
  );
}
