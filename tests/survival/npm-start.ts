import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { checkoutDir } from "../../stack/paths.ts";
import { pickFreePort } from "../../stack/ports.ts";
import { removeDatabase } from "../../stack/postgres.ts";
import {
  type StackAddresses,
  stackAddresses,
} from "../../stack/stack-addresses.ts";
import { prepareStateDirs, removeStateDirs } from "../../stack/state-dir.ts";
import { readState, type StackState } from "../../stack/state-file.ts";
import { observe } from "./drain.ts";
import { pauseJobs } from "../support/pause-jobs.ts";

const PATIENCE_MS = 300_000;
const POLL_MS = 20;

/** `npm start` as in somebody's terminal, on ports and in a folder of its own. */
export class NpmStart {
  readonly #stateDir: string;
  readonly #ports: readonly [api: number, db: number];
  #npm: ChildProcess | undefined;
  /** What the last start has printed. */
  output = "";

  private constructor(stateDir: string, ports: readonly [number, number]) {
    this.#stateDir = stateDir;
    this.#ports = ports;
  }

  /** With a new database, no demo tasks in it, and without jobs. */
  static async fresh(name: string): Promise<NpmStart> {
    const stateDir = join(checkoutDir, ".stack", name);
    await removeDatabase(prepareStateDirs(stateDir));
    const ports = [await pickFreePort(), await pickFreePort()] as const;
    const started = new NpmStart(stateDir, ports);
    await started.start();
    await pauseJobs(started.target.adminDbUrl);
    const sql = observe(started.target);
    await sql`delete from public.tasks`;
    await sql.end();
    return started;
  }

  get target(): StackAddresses {
    return stackAddresses(...this.#ports);
  }

  /** The process above all parts, and the gateway before them. */
  get supervisor(): number {
    const state = readState(this.#stateDir);
    if (state === undefined) throw new Error("The stack is not running");
    return state.pid;
  }

  /** Starts it, also over what a killed one has left, until it is ready. */
  async start(): Promise<void> {
    this.output = "";
    const [api, db] = this.#ports;
    const npm = spawn("npm", ["start"], {
      cwd: checkoutDir,
      env: {
        ...process.env,
        STACK_STATE_DIR: this.#stateDir,
        API_PORT: String(api),
        DB_PORT: String(db),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#npm = npm;
    const hear = (chunk: unknown) => this.output += String(chunk);
    npm.stdout.on("data", hear);
    npm.stderr.on("data", hear);
    await this.#until((state) => state?.phase === "ready");
  }

  /** Ctrl-C. */
  async stop(): Promise<void> {
    const state = readState(this.#stateDir);
    if (state) process.kill(state.pid, "SIGINT");
    await this.#until((state) => state === undefined, true);
  }

  /** Stops it and deletes what it kept. */
  async discard(): Promise<void> {
    await this.stop();
    removeStateDirs(prepareStateDirs(this.#stateDir));
  }

  async #until(
    holds: (state: StackState | undefined) => boolean,
    mayEnd = false,
  ): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!holds(readState(this.#stateDir))) {
      const isOver = this.#npm?.exitCode !== null && !mayEnd;
      if (isOver || Date.now() > deadline) {
        throw new Error(`npm start did not get there:\n${this.output}`);
      }
      await delay(POLL_MS);
    }
  }
}
