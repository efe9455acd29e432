import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { run } from "../../stack/run.ts";

const PATIENCE_MS = 15 * 60_000;
const POLL_MS = 10;

/** Somebody at a terminal in a clone, with a home that nothing is in yet. */
export class Person {
  readonly #prefix: readonly string[];
  readonly #clone: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor(prefix: readonly string[], clone: string, home: string) {
    this.#prefix = prefix;
    this.#clone = clone;
    // Proxies and certificates stay; what `npm run` and this project set do not.
    const kept = Object.entries(process.env).filter(([name]) =>
      name === "npm_config_registry" ||
      !/^(npm_|STACK_STATE_DIR$|API_PORT$|DB_PORT$|NODE_OPTIONS$)/.test(name)
    );
    this.#env = { ...Object.fromEntries(kept), HOME: home };
  }

  /** Pastes commands; throws with what they print when one of them fails. */
  async paste(commands: string): Promise<string> {
    const [program = "", ...args] = [
      ...this.#prefix,
      ...["bash", "-euo", "pipefail", "-c", commands],
    ];
    const { code, output } = await run(program, args, {
      cwd: this.#clone,
      env: this.#env,
    });
    if (code !== 0) throw new Error(`Exit code ${code}:\n${output}`);
    return output;
  }

  /** `npm start`, until it says that it is ready. */
  async start(): Promise<Started> {
    const npm = this.#spawn(["npm", "start"], "pipe");
    let output = "";
    npm.stdout?.on("data", (chunk) => output += String(chunk));
    npm.stderr?.on("data", (chunk) => output += String(chunk));
    const deadline = Date.now() + PATIENCE_MS;
    while (!output.includes("Ctrl-C stops everything")) {
      if (npm.exitCode !== null || Date.now() > deadline) {
        signalGroup(npm, "SIGINT");
        throw new Error(`npm start:\n${output}`);
      }
      await delay(POLL_MS);
    }
    return {
      output,
      async stop() {
        const over = ended(npm);
        signalGroup(npm, "SIGINT");
        await over;
      },
    };
  }

  /** Runs a command in front of everybody; its exit code. */
  async watch(command: readonly string[]): Promise<number | null> {
    const child = this.#spawn(command, "inherit");
    await ended(child);
    return child.exitCode;
  }

  #spawn(command: readonly string[], output: "pipe" | "inherit"): ChildProcess {
    const [program = "", ...args] = [...this.#prefix, ...command];
    return spawn(program, args, {
      cwd: this.#clone,
      env: this.#env,
      // Ctrl-C in a terminal reaches a whole group.
      detached: true,
      stdio: ["ignore", output, output],
    });
  }
}

/** A stack in front of somebody. */
export interface Started {
  output: string;
  /** Ctrl-C. */
  stop(): Promise<void>;
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // All of it has ended.
  }
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return Promise.resolve();
  return new Promise((done) => child.once("exit", () => done()));
}
