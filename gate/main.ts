import { join } from "node:path";
import process from "node:process";
import { checkoutDir } from "../stack/paths.ts";
import { Gate } from "./gate.ts";
import { lock } from "./lock.ts";
import { fails, type Outcome } from "./outcome.ts";
import { planOf } from "./selection.ts";
import { excerpt, exitCode, summaryLine } from "./report.ts";

// npm run check, npm test: every check of a change, one line each, and a last line.
// npm run test:all: the same tests once more, where npm test does not run them.

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
  const plan = planOf(process.argv.slice(2));
  const unlock = lock(workDir);
  const gate = new Gate(checkoutDir, workDir, plan);
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
