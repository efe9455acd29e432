import { join } from "node:path";
import process from "node:process";
import { checkoutDir } from "../stack/paths.ts";
import { Gate } from "./gate.ts";
import { lock } from "./lock.ts";
import { fails, type Outcome } from "./outcome.ts";
import { stepNames } from "./plan.ts";
import { excerpt, exitCode, summaryLine } from "./report.ts";
import { parseOnly } from "./selection.ts";

// npm run ok, npm test: every check there is, one line each, and a last line.

const INTERRUPTED = 130;
const workDir = join(checkoutDir, ".stack", "test");

const result = await main().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  console.log(excerpt(reason));
  return fails(reason);
});
finish(result);

function finish(outcome: Outcome): never {
  console.log(summaryLine(outcome));
  process.exit(exitCode(outcome));
}

async function main(): Promise<Outcome> {
  const only = parseOnly(process.argv.slice(2), stepNames);
  const unlock = lock(workDir);
  const gate = new Gate(checkoutDir, workDir, only);
  const interrupted = new Promise<never>(() => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, async () => {
        console.log(`Stopping everything (${signal})`);
        await gate.stop();
        unlock();
        process.exit(INTERRUPTED);
      });
    }
  });
  process.once("uncaughtException", async (error) => {
    console.log(excerpt(`${error.stack}`));
    await gate.stop();
    unlock();
    finish(fails(String(error)));
  });
  try {
    const outcome = await gate.run();
    // A run that was cut short has no result: the handler above ends it.
    if (gate.isStopping) await interrupted;
    return outcome;
  } finally {
    await gate.stop();
    unlock();
  }
}
