import { accessSync, constants, existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { planDenoModules, planHostedDenoModules } from "./deno-modules.mjs";
import { ExplainedError } from "./explained-error.mjs";
import { planNodePackages } from "./node-packages.mjs";
import { postgresHere } from "./postgres-choice.mjs";
import { planSystemPackages } from "./system-packages.mjs";

/** The checkout that this file belongs to. */
export const checkoutDir = dirname(
  dirname(dirname(fileURLToPath(import.meta.url))),
);

/**
 * Installs what is missing, after saying what that is.
 *
 * A plan is undefined when there is nothing to do, else what it will install
 * and how. A plan that cannot be carried out throws before anything is installed.
 * Checks need more than the stack does.
 */
export async function prepare({ forChecks = false } = {}) {
  const system = postgresHere().major === 15
    ? planSystemPackages(forChecks)
    : undefined;
  // npm's Postgres 17 is among the node packages.
  const downloads = [system, planNodePackages(checkoutDir)];
  // Deno itself is among the node packages.
  const modules = [
    planDenoModules(checkoutDir),
    forChecks ? planHostedDenoModules(checkoutDir) : undefined,
  ];
  const plans = [...downloads, ...modules].filter((plan) => plan !== undefined);
  if (plans.length === 0) return;

  requireWritable();
  console.log("This will be installed:");
  for (const plan of plans) console.log(`  - ${plan.what}`);
  await together(downloads);
  await together(modules);
}

/** Both mostly wait for the network, so they need not wait for each other. */
async function together(plans) {
  const results = await Promise.allSettled(
    plans.map((plan) => plan?.install()),
  );
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

function requireWritable() {
  const dirs = [checkoutDir, join(checkoutDir, ".stack")];
  for (const dir of dirs.filter((dir) => existsSync(dir))) {
    try {
      accessSync(dir, constants.W_OK);
    } catch {
      throw new ExplainedError(
        `This user may not write to ${dir}. Was it made by root? ` +
          "Give it to this user, or remove it if it is .stack",
      );
    }
  }
}
