import process from "node:process";
import postgres from "postgres";
import { onLauncherGone } from "../stack/launcher-watch.ts";
import {
  type DemoOptions,
  readOptions,
  UnknownOption,
  usage,
} from "./options.ts";
import { type DemoStack, startOwnStack } from "./own-stack.ts";
import { runDemo } from "./run.ts";
import { checkPromises } from "./summary/check.ts";
import { summaryLines } from "./summary/report.ts";

// npm run demo: the queue at work, on a stack of its own. See options.ts.

const FAILED = 1;
const WRONG_USE = 2;
const INTERRUPTED = 130;

const code = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  if (!(error instanceof UnknownOption)) return FAILED;
  console.error("npm run demo -- --help says what there is");
  return WRONG_USE;
});
// The dead worker leaves its timers behind.
process.exit(code);

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === "help") {
    console.log(usage);
    return 0;
  }
  const stop = onStop();
  const code = await onOwnStack(options, stop).catch((error: unknown) => {
    // Ctrl-C also reaches the programs that set the database up.
    if (!stop.aborted) throw error;
  });
  if (code !== undefined) return code;
  console.log("Stopped early: nothing was checked, and nothing is left");
  return INTERRUPTED;
}

async function onOwnStack(
  options: DemoOptions,
  stop: AbortSignal,
): Promise<number | undefined> {
  console.log("Starting a stack of its own for the demo ...");
  const stack = await startOwnStack();
  try {
    return stop.aborted ? undefined : await show(stack, options, stop);
  } finally {
    await stack.discard();
  }
}

/** Runs the demo and checks what came of it; undefined when it was stopped. */
async function show(
  stack: DemoStack,
  options: DemoOptions,
  stop: AbortSignal,
): Promise<number | undefined> {
  const sql = postgres(stack.adminDbUrl, { max: 2, onnotice: () => {} });
  const print = (line: string) => console.log(line);
  try {
    const run = await runDemo(stack, sql, options, print, stop);
    if (stop.aborted) return undefined;
    const findings = await checkPromises(sql, run);
    for (const line of ["", ...summaryLines(findings)]) print(line);
    return findings.every(({ holds }) => holds) ? 0 : FAILED;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Aborts when the user, the launcher or the reader of our output leaves. */
function onStop(): AbortSignal {
  const stop = new AbortController();
  const leave = () => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, leave);
  }
  onLauncherGone(leave);
  process.stdout.on("error", leave);
  return stop.signal;
}
