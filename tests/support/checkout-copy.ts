import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { checkoutDir } from "../../stack/paths.ts";
import { commandLine, processStart } from "../../stack/process-info.ts";
import { type Finished, run } from "../../stack/run.ts";
import { socketDir } from "../../stack/state-dir.ts";
import { readState } from "../../stack/state-file.ts";

const PATIENCE_MS = 300_000;
const POLL_MS = 20;

/** What is installed or made anew, and a thousand files that no start reads. */
const LEFT_OUT = [
  ...["node_modules", ".stack", ".git"],
  ...["bench", "demo", "docs", "examples", "gate", "tests"],
];

/**
 * This checkout once more, in a folder with spaces in its path, as somebody has
 * it who has never started it.
 */
export class CheckoutCopy {
  readonly #parent: string;
  readonly dir: string;

  /** With what a first start would install, or without. */
  constructor(options: { isInstalled: boolean }) {
    this.#parent = mkdtempSync(join(tmpdir(), "first start "));
    // Postgres has to get there as an account of its own.
    chmodSync(this.#parent, 0o755);
    this.dir = join(this.#parent, "task queue");
    cpSync(checkoutDir, this.dir, {
      recursive: true,
      filter: (path) =>
        path === checkoutDir || !LEFT_OUT.includes(basename(path)),
    });
    if (options.isInstalled) this.#install();
  }

  get stateDir(): string {
    return join(this.dir, ".stack", "dev");
  }

  /** Runs a command in it to its end. */
  run(
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Finished> {
    const [program = "", ...args] = command;
    return run(program, args, { cwd: this.dir, env: this.#environment(env) });
  }

  /** `npm start`, in front of somebody who reads what it prints. */
  start(): Front {
    const npm = spawn("npm", ["start"], {
      cwd: this.dir,
      env: this.#environment(),
      // Ctrl-C in a terminal reaches a whole group.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new Front(npm, this.stateDir);
  }

  /** Every process that works in it or on it, in words. */
  processes(): string[] {
    return this.#pids().map((pid) => `${pid} ${commandLine(pid)}`);
  }

  /** `kill -9` of all of them at once. */
  async killAll(): Promise<void> {
    for (const pid of this.#pids()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone by itself.
      }
    }
    while (this.#pids().length > 0) await delay(POLL_MS);
  }

  /** Ends what runs in it, and removes it. */
  async discard(): Promise<void> {
    await this.killAll();
    // Its path is too long for sockets: those of the killed are under /tmp.
    for (const dir of [socketDir(this.stateDir), this.#parent]) {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  #install(): void {
    const names = existsSync(join(checkoutDir, ".stack"))
      ? readdirSync(join(checkoutDir, ".stack"))
      : [];
    mkdirSync(join(this.dir, ".stack"));
    const installed = names.filter((name) => /^(deno|postgres-17-)/.test(name))
      .map((name) => join(".stack", name));
    for (const path of ["node_modules", ...installed]) {
      symlinkSync(join(checkoutDir, path), join(this.dir, path));
    }
  }

  #environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
    // What `npm run`, this project and the tests set is not there yet.
    const kept = Object.entries(process.env).filter(([name]) =>
      !/^(npm_|VITEST|STACK_|API_PORT$|DB_PORT$|NODE_|INIT_CWD$)/.test(name)
    );
    return { ...Object.fromEntries(kept), ...more };
  }

  #pids(): number[] {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => processStart(pid) !== undefined && this.#isIn(pid));
  }

  #isIn(pid: number): boolean {
    try {
      return readlinkSync(`/proc/${pid}/cwd`).startsWith(this.dir) ||
        commandLine(pid).includes(this.dir);
    } catch {
      return false;
    }
  }
}

/** A start that goes on until it is told to end. */
export class Front {
  readonly #npm: ChildProcess;
  readonly #stateDir: string;
  output = "";

  constructor(npm: ChildProcess, stateDir: string) {
    this.#npm = npm;
    this.#stateDir = stateDir;
    const hear = (chunk: unknown) => this.output += String(chunk);
    npm.stdout?.on("data", hear);
    npm.stderr?.on("data", hear);
  }

  /** Until it says that it is ready; its ports. */
  async ready(): Promise<{ api: number; db: number }> {
    await this.until(() => this.output.includes("Ctrl-C stops everything"));
    const { apiPort = 0, dbPort = 0 } = readState(this.#stateDir) ?? {};
    return { api: apiPort, db: dbPort };
  }

  /** Waits for something while it runs. */
  async until(holds: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!holds()) {
      if (this.#npm.exitCode !== null || Date.now() > deadline) {
        throw new Error(`npm start did not get there:\n${this.output}`);
      }
      await delay(POLL_MS);
    }
  }

  /** Ctrl-C. */
  async interrupt(): Promise<void> {
    const { pid, exitCode } = this.#npm;
    if (pid === undefined || exitCode !== null) return;
    const over = new Promise((done) => this.#npm.once("exit", done));
    process.kill(-pid, "SIGINT");
    await over;
  }
}
