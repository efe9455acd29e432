/**
 * A Fairlane worker, yours to change. Node 20 or Deno 2, no packages.
 *
 *   FAIRLANE_URL=… FAIRLANE_KEY=… npx tsx worker.ts [--once]
 *   deno run --allow-net --allow-env --allow-sys=hostname worker.ts [--once]
 *
 * With --once it ends after one task, or with 1 if none comes within a minute.
 */
import { hostname } from "node:os";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

// ---- Your work: begin ----
/**
 * Does what task.params says and returns where the result is. What it throws
 * fails the task. `signal` aborts when the task was cancelled or is another
 * worker's, and when this one is to end; what is returned then is dropped.
 */
async function handle(task: Task, signal: AbortSignal): Promise<string> {
  await sleep(1000, undefined, { signal });
  return `https://example.com/${task.task_id}.mp4`;
}
// ---- Your work: end ----

interface Task {
  task_id: string;
  task_type: string;
  params: Record<string, unknown>;
  lease_token: string;
}

const { FAIRLANE_URL: url = "", FAIRLANE_KEY: key = "", ...env } = process.env;
const base = url.replace(/\/+$/, "") +
  (/^\w+:\/\/[^/]+\/*$/.test(url) ? "/functions/v1/fairlane" : "");
const run_type = env["FAIRLANE_POOL"] || "gpu";
const worker_id = env["FAIRLANE_WORKER_ID"] ||
  `${hostname()}-${crypto.randomUUID().slice(0, 8)}`;
// After 180 s without a heartbeat the queue gives the task to another worker.
const POLL_MS = 10_000, BEAT_MS = 20_000, ONCE_MS = 60_000;
const over = new AbortController(), stop = new AbortController();
let running: { task_id: string; cut: AbortController } | undefined;

/** The queue said no, and would say it again. */
class Refused extends Error {}

/** Sends the same until it is answered; what comes twice counts once. */
async function call(route: string, body: object, patience: number, ms: number) {
  const began = Date.now();
  for (let tries = 0;; tries++) {
    let problem: string, after = 0;
    try {
      const { status, headers, text } = await post(route, body, ms);
      if (status < 300) return text ? JSON.parse(text) : undefined;
      problem = `${status} ${text.slice(0, 500)}`;
      after = Number(headers.get("retry-after")) * 1000 || 0;
      // INTERNAL would come again; every other 5xx is of the moment.
      const isFinal = status < 500 || problem.includes('"INTERNAL"');
      if (isFinal && ![408, 425, 429].includes(status)) {
        throw new Refused(problem);
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
      problem = String(error); // No network, or half a reply.
    }
    const whole = Math.min(500 * 2 ** tries, 20_000);
    const pause = whole * (1 - Math.random() / 2) + after;
    const limit = stop.signal.aborted ? Math.min(patience, 10_000) : patience;
    if (Date.now() - began + pause > limit) throw new Error(problem);
    console.log(`${route}: ${problem}; again in ${Math.round(pause)} ms`);
    await sleep(pause);
  }
}

async function post(route: string, body: object, timeoutMs: number) {
  const reply = await fetch(`${base}/${route}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  });
  const { status, headers } = reply;
  return { status, headers, text: await reply.text() };
}

async function beat(state: object) {
  try {
    const reply = await call("beat", { worker_id, ...state }, 0, 10_000);
    for (const { task_id } of reply.stop) {
      if (task_id === running?.task_id) running?.cut.abort();
    }
  } catch (error) {
    console.log(`Heartbeat: ${error}`); // The next one may be heard.
  }
}

async function keepBeating() {
  while (!over.signal.aborted) {
    const task_id = running?.task_id;
    await beat({ task_id, task_ids: task_id ? [task_id] : [] });
    await pause(BEAT_MS, over.signal);
  }
}

async function pause(ms: number, signal: AbortSignal) {
  await sleep(ms, undefined, { signal }).catch(() => {});
}

async function work(task: Task) {
  const { task_id, lease_token } = task, cut = new AbortController();
  running = { task_id, cut };
  let route = "complete-task", report: object;
  try {
    stop.signal.throwIfAborted();
    const end = new Promise<never>((_, reject) => {
      cut.signal.onabort = () => reject(new Error("Stopped"));
    });
    const output_location = await Promise.race([handle(task, cut.signal), end]);
    report = { output_location };
  } catch (error) {
    const text = error instanceof Error && error.message || String(error);
    route = "mark-task-failed";
    report = { error_message: text };
    if (stop.signal.aborted) { // Back into the queue; this attempt does not count.
      route = "update-task-status";
      report = { status: "Queued" };
    }
  }
  // The lease names this attempt: a late report is refused and spoils nothing.
  const body = { task_id, lease_token, ...report };
  try {
    await call(route, body, 600_000, 60_000);
    console.log(task_id, route, report);
  } catch (error) { // Cancelled, taken back (409), or never heard.
    console.log(task_id, "dropped:", String(error));
  }
  running = undefined;
}

/** The id is repeated until there is an answer: a task whose reply was lost comes again. */
async function claim(patience: number): Promise<Task | undefined> {
  const ask = { worker_id, run_type, claim_id: crypto.randomUUID() };
  try {
    return await call("claim-next-task", ask, patience, 15_000);
  } catch (error) {
    // That task was cancelled since.
    if (!String(error).includes("CLAIM_ID_USED")) throw error;
  }
}

async function main(once: boolean): Promise<number> {
  if (!url || !key) throw new Error("Set FAIRLANE_URL and FAIRLANE_KEY");
  for (const name of ["SIGTERM", "SIGINT"]) {
    process.on(name, () => {
      stop.abort();
      running?.cut.abort();
    });
  }
  const began = Date.now(), beats = keepBeating();
  try {
    while (!stop.signal.aborted) {
      const task = await claim(once ? ONCE_MS : Infinity);
      if (task) await work(task);
      if (once && (task || Date.now() - began > ONCE_MS)) return task ? 0 : 1;
      const ms = once ? 1000 : POLL_MS * (1 - Math.random() / 10);
      if (!task) await pause(ms, stop.signal);
    }
  } catch (error) { // A wrong key, address or worker id.
    if (!stop.signal.aborted) throw new Error(`Cannot claim: ${error}`);
  } finally {
    over.abort();
    await beats;
    await beat({ status: "terminated" }); // The goodbye: what is left is free.
  }
  return 0;
}

// Whatever a handler has left running ends here.
main(process.argv.includes("--once")).then(process.exit, (error) => {
  console.error(String(error.message ?? error));
  process.exit(1);
});
