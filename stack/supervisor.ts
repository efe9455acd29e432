import { createWriteStream, type WriteStream } from "node:fs";
import { join } from "node:path";
import { onLauncherGone } from "./launcher-watch.ts";
import type { WantedPort } from "./ports.ts";
import { startStack } from "./stack.ts";
import { StartReport } from "./start-report.ts";
import { statusText, tryItText } from "./status-text.ts";

/** What the dev stack is started with. */
export interface DevStackOptions {
  stateDir: string;
  apiPort: WantedPort;
  dbPort: WantedPort;
}

/** Where the supervisor's words go besides the log file. */
export type Audience = "terminal" | "nobody";

/** File that `npm run stack -- logs` shows. */
export function logFile(stateDir: string): string {
  return join(stateDir, "stack.log");
}

/**
 * Runs the dev stack until it is told to stop.
 *
 * SIGINT, SIGTERM and SIGHUP stop it; SIGUSR2 resets its database.
 */
export async function superviseStack(
  options: DevStackOptions,
  audience: Audience,
): Promise<void> {
  // Another stack's until the state directory is claimed.
  let file: WriteStream | undefined;
  const say = (text: string) => {
    if (audience === "terminal") console.log(text);
  };
  const log = (line: string) => {
    file?.write(`${new Date().toISOString()} ${line}\n`);
    say(line);
  };

  const toldToStop = new Promise<void>((resolve) => {
    let told = false;
    const stop = () => {
      // Told twice: leave at once, the kernel ends the parts.
      if (told) process.exit(1);
      told = true;
      log("Stopping ...");
      resolve();
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
      process.on(signal, stop);
    }
    if (audience === "terminal") onLauncherGone(stop);
    // The reader of our output is gone, as in `npm start | head`.
    process.stdout.on("error", () => told || stop());
  });

  say("Starting the stack ...");
  // What came before, since this process began.
  const report = new StartReport(performance.now());
  const stack = await startStack({
    ...options,
    watch: true,
    durable: "kills",
    seed: true,
    report,
    onClaim: () => file = openLog(options.stateDir),
    onLog: log,
  });
  process.on("SIGUSR2", () => {
    log("Resetting the database ...");
    stack.reset().then(
      () => log("The database is new"),
      (error) => log(`Reset failed: ${error.message}`),
    );
  });
  log(report.text(performance.now()));
  say(`\n${statusText(stack)}\n${tryItText(stack)}`);
  say("Ctrl-C stops everything. Requests:\n");

  await toldToStop;
  await stack.stop();
  log("Stopped");
}

function openLog(stateDir: string): WriteStream {
  const file = createWriteStream(logFile(stateDir));
  // On a full disk the log is what can be missed.
  file.on("error", () => {});
  return file;
}
