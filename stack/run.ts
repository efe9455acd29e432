import { spawn } from "node:child_process";

/** What a finished program left behind. */
export interface Finished {
  code: number | null;
  output: string;
}

/** Runs a program to its end, stdin closed, and collects what it prints. */
export function run(
  program: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: options.env ?? process.env,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    let output = "";
    child.stdout?.on("data", (chunk) => output += String(chunk));
    child.stderr?.on("data", (chunk) => output += String(chunk));
    child.stdin?.end(options.input);
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

/** Like `run`, but a failure throws with the program's output. */
export async function runOrThrow(
  what: string,
  ...call: Parameters<typeof run>
): Promise<string> {
  const { code, output } = await run(...call);
  if (code !== 0) {
    throw new Error(`${what} failed (exit code ${code}):\n${output.trim()}`);
  }
  return output;
}
