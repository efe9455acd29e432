import {
  type ChildProcess,
  spawn,
  type StdioOptions,
} from "node:child_process";
import process from "node:process";
import { type Account, setpriv } from "./account.ts";

/** How a part of the stack is started. */
export interface ChildOptions {
  cwd?: string;
  env: Record<string, string>;
  stdio: StdioOptions;
  /** Account to run as; only root can choose one. */
  user?: Account | undefined;
  /** Signal that the child gets when we die, however we die. */
  deathSignal: "TERM" | "INT";
}

/**
 * Starts a program that, on Linux, cannot outlive this process, even after
 * SIGKILL; other kernels have no such thing.
 *
 * `setpriv` asks the kernel to signal the child when its parent is gone. Each
 * child has its own process group, so that Ctrl-C in a terminal reaches only
 * us and the parts are stopped in order.
 */
export function startChild(
  program: string,
  args: string[],
  options: ChildOptions,
): ChildProcess {
  const [first = program, ...rest] = process.platform === "linux"
    ? setpriv([program, ...args], options.user, options.deathSignal)
    : [program, ...args];
  return spawn(first, rest, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: options.env,
    stdio: options.stdio,
    detached: true,
  });
}

/** Resolves when the child has ended. */
export function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    // A program that could not be started at all never emits "exit".
    child.once("error", () => resolve());
  });
}

/** Asks a child to end, then forces it. */
export async function stopChild(
  child: ChildProcess,
  polite: NodeJS.Signals,
  forced: NodeJS.Signals,
  patienceMs: number,
): Promise<void> {
  child.kill(polite);
  const timer = setTimeout(() => child.kill(forced), patienceMs);
  await ended(child);
  clearTimeout(timer);
}
