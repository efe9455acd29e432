import process from "node:process";
import postgres from "postgres";
import { onLauncherGone } from "../stack/launcher-watch.ts";
import {
  type DemoOptions,
  readOptions,
  UnknownOption,
  usage,
} from "./options.ts";
import { startOwnStack } from "./own-stack.ts";
import { recorder } from "./picture/recorder.ts";
import { runDemo } from "./run.ts";
import { plainScreen } from "./screen/plain.ts";
import type { Screen } from "./screen/screen.ts";
import { terminalScreen } from "./screen/terminal.ts";
import { checkPromises } from "./summary/check.ts";
import { summaryLines } from "./summary/report.ts";

// npm run demo: the queue at work, on a stack of its own. See options.ts.

const WRONG_USE = 2;
const INTERRUPTED = 130;

const code = await main(process.argv.slice(2));
// The dead worker leaves its timers behind.
process.exit(code);

async function main(args: string[]): Promise<number> {
  let options: DemoOptions | "help";
  try {
    options = readOptions(args);
  } catch (error) {
    if (!(error instanceof UnknownOption)) throw error;
    console.error(`${error.message}. See npm run demo -- --help`);
    return WRONG_USE;
  }
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, interrupt);
  }
  onLauncherGone(interrupt);
  // The reader of our output is gone, as in `npm run demo | head`.
  process.stdout.on("error", interrupt);
  return await show(options, stop.signal);
}

/** Starts the stack, runs the demo on it and checks what came of it. */
async function show(options: DemoOptions, stop: AbortSignal): Promise<number> {
  console.log("Starting a stack of its own for the demo ...");
  const stack = await startOwnStack();
  const sql = postgres(stack.adminDbUrl, { max: 2, onnotice: () => {} });
  const recording = options.record === undefined
    ? undefined
    : recorder(screenHere());
  const screen = recording ?? screenHere();
  try {
    if (stop.aborted) return INTERRUPTED;
    const run = await runDemo(stack, sql, options, screen, stop);
    if (stop.aborted) {
      screen.close([]);
      console.log("Stopped early, so nothing was checked");
      return INTERRUPTED;
    }
    const findings = await checkPromises(sql, run);
    screen.close(summaryLines(findings));
    if (options.record !== undefined) recording?.save(options.record);
    return findings.every(({ holds }) => holds) ? 0 : 1;
  } catch (error) {
    screen.close([]);
    throw error;
  } finally {
    await sql.end({ timeout: 5 });
    await stack.discard();
  }
}

function screenHere(): Screen {
  const { stdout, env } = process;
  const isPlain = !stdout.isTTY || Boolean(env["CI"]) || env["TERM"] === "dumb";
  return isPlain
    ? plainScreen((text) => console.log(text))
    : terminalScreen(stdout, !env["NO_COLOR"]);
}
