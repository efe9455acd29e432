import { join } from "node:path";
import process from "node:process";
import { checkoutDir } from "../stack/paths.ts";
import { removeDatabase } from "../stack/postgres.ts";
import { startStack } from "../stack/stack.ts";
import { prepareStateDirs } from "../stack/state-dir.ts";

// A stack in a process of its own: its gateway must not share a thread with the
// clients that are measured. bench-stack.ts starts it and reads its addresses.

const [name = "bench", durability] = process.argv.slice(2);
const stateDir = join(checkoutDir, ".stack", name);

const wipe = () => removeDatabase(prepareStateDirs(stateDir));
// An earlier run may have been killed.
await wipe();
const stack = await startStack({
  stateDir,
  durable: durability === "durable",
});
process.send?.({ ...stack, stop: undefined, reset: undefined });

process.once("disconnect", async () => {
  await stack.stop();
  await wipe();
  process.exit(0);
});
// Ctrl-C reaches the whole group; the parent decides when we end.
process.on("SIGINT", () => {});
