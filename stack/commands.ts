import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { stopLeftover } from "./postgres.ts";
import { startStack } from "./stack.ts";
import { stackAddresses } from "./stack-addresses.ts";
import { prepareStateDirs } from "./state-dir.ts";
import { AlreadyRunning, readState } from "./state-file.ts";
import { statusText } from "./status-text.ts";
import { type DevStackOptions, logFile } from "./supervisor.ts";

const setupFile = fileURLToPath(new URL("./setup.mjs", import.meta.url));

/** Starts the stack so that it outlives this command. */
export async function startInBackground(
  options: DevStackOptions,
): Promise<void> {
  const running = readState(options.stateDir);
  if (running) throw new AlreadyRunning(running);
  mkdirSync(options.stateDir, { recursive: true });
  // Only what breaks before the log is open ends here.
  const outputFile = join(options.stateDir, "background.log");
  const output = openSync(outputFile, "w");
  const serve = ["stack", "start", "--detached"];
  const child = spawn(process.execPath, [setupFile, ...serve], {
    detached: true,
    stdio: ["ignore", output, output],
    env: process.env,
  });
  let isOver = false;
  child.once("exit", () => isOver = true);
  console.log("Starting the stack in the background ...");
  for (;;) {
    const state = readState(options.stateDir);
    if (state?.phase === "ready" && state.apiPort && state.dbPort) {
      child.unref();
      const addresses = stackAddresses(state.apiPort, state.dbPort);
      for (const note of state.notes) console.log(note);
      console.log(`Ready (process ${state.pid})\n\n${statusText(addresses)}`);
      return;
    }
    if (isOver) throw new Error(readFileSync(outputFile, "utf8").trim());
    await delay(50);
  }
}

/** Stops the stack, whether it runs in front or in the background. */
export async function stopStack(stateDir: string): Promise<void> {
  const state = readState(stateDir);
  if (!state) {
    // Its supervisor may have been killed and Postgres be on its way out.
    if (existsSync(stateDir)) await stopLeftover(prepareStateDirs(stateDir));
    console.log("The stack is not running");
    return;
  }
  process.kill(state.pid, "SIGTERM");
  await waitWhile(() => readState(stateDir)?.pid === state.pid, "stop");
  console.log("Stopped");
}

/** Makes the database anew, in the running stack if there is one. */
export async function resetStack(options: DevStackOptions): Promise<void> {
  const state = readState(options.stateDir);
  if (state) {
    console.log("Resetting the database of the running stack ...");
    process.kill(state.pid, "SIGUSR2");
    await waitWhile(
      () => readState(options.stateDir)?.resets === state.resets,
      "reset its database",
    );
  } else {
    const { postgres } = prepareStateDirs(options.stateDir);
    console.log(`Making the database in ${postgres} anew ...`);
    // Not a start and then a reset: this is how to leave a damaged one behind.
    const stack = await startStack({ ...options, fresh: true, seed: true });
    await stack.stop();
  }
  const error = readState(options.stateDir)?.error;
  if (error) throw new Error(error);
  console.log("Done: migrations applied, seed loaded");
}

/** Prints the log, and goes on printing when told to. */
export async function followLog(
  stateDir: string,
  follow: boolean,
): Promise<number> {
  const file = logFile(stateDir);
  if (!existsSync(file)) {
    console.error("There is no log yet");
    return 1;
  }
  const args = follow ? ["-n", "50", "-F", file] : ["-n", "+1", file];
  const tail = spawn("tail", args, { stdio: "inherit" });
  return await new Promise((done) =>
    tail.once("exit", (code) => done(code ?? 0))
  );
}

async function waitWhile(
  condition: () => boolean,
  what: string,
): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (condition()) {
    if (Date.now() > deadline) {
      throw new Error(`The stack did not ${what} within a minute`);
    }
    await delay(50);
  }
}
