import type { ChildProcess } from "node:child_process";
import { delimiter, join } from "node:path";
import process from "node:process";
import { startChild } from "../stack/child.ts";

/** How a program ended and what it said. */
export interface Finished {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in the order in which they came. */
  readonly output: string;
}

/** Settings of one run of a program. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Told of each piece of output as it comes. */
  readonly onOutput?: (text: string) => void;
}

/** Runs a program in the checkout, without a shell. */
export type Run = (
  command: string,
  args: readonly string[],
  options?: RunOptions,
) => Promise<Finished>;

/** The programs that the gate runs; it can end all of them at once. */
export class Programs {
  readonly #running = new Set<ChildProcess>();
  readonly #cwd: string;
  #stopped = false;

  constructor(cwd: string) {
    this.#cwd = cwd;
  }

  /** Starts a program and waits for its end. */
  readonly run: Run = (command, args, options = {}) => {
    if (this.#stopped) return Promise.reject(new Error("The gate was stopped"));
    return new Promise((resolve, reject) => {
      // In a process group of its own, so that its children end with it, and
      // told to end when the gate dies.
      const child = startChild(command, [...args], {
        cwd: this.#cwd,
        env: environment(this.#cwd, options.env),
        stdio: ["pipe", "pipe", "pipe"],
        deathSignal: "TERM",
      });
      this.#running.add(child);
      const said = { stdout: "", stderr: "", output: "" };
      const listen = (stream: "stdout" | "stderr") => {
        child[stream]?.setEncoding("utf8").on("data", (text: string) => {
          said[stream] += text;
          said.output += text;
          options.onOutput?.(text);
        });
      };
      listen("stdout");
      listen("stderr");
      child.on("error", reject);
      child.on("close", (code) => {
        this.#running.delete(child);
        resolve({ ok: code === 0, ...said });
      });
      // A program may end without reading its input; that is its own business.
      child.stdin?.on("error", () => {});
      child.stdin?.end(options.input ?? "");
    });
  };

  /** Ends everything that still runs and waits until it is gone. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const ends = [...this.#running].map((child) => end(child));
    await Promise.all(ends);
  }
}

const PATIENCE_MS = 5_000;

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const lastResort = setTimeout(() => signal(child, "SIGKILL"), PATIENCE_MS);
    child.once("close", () => {
      clearTimeout(lastResort);
      resolve();
    });
    signal(child, "SIGTERM");
  });
}

function signal(child: ChildProcess, name: "SIGTERM" | "SIGKILL"): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, name);
  } catch {
    // The group has already ended.
  }
}

function environment(
  cwd: string,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const path = [join(cwd, "node_modules", ".bin"), process.env["PATH"]];
  const inherited = Object.entries(process.env)
    .filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    ...Object.fromEntries(inherited),
    PATH: path.join(delimiter),
    // Output is read by a program, and nobody is told what runs here.
    NO_COLOR: "1",
    DO_NOT_TRACK: "1",
    ...extra,
  };
}
