import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runWithProgress } from "./progress.mjs";

/** Without a network npm would say so only after two minutes. */
const promptRetries = [
  "--fetch-retry-mintimeout=1000",
  "--fetch-retry-maxtimeout=5000",
];

/** Plans `npm ci`, unless node_modules is what package-lock.json says. */
export function planNodePackages(checkoutDir) {
  const lockFile = join(checkoutDir, "package-lock.json");
  const modules = join(checkoutDir, "node_modules");
  const stamp = join(modules, ".installed-from");
  const wanted = createHash("sha256").update(readFileSync(lockFile))
    .digest("hex");
  if (existsSync(stamp)) {
    if (readFileSync(stamp, "utf8") === wanted) return undefined;
  } else if (isInstalledByHand(modules, lockFile)) {
    writeFileSync(stamp, wanted);
    return undefined;
  }
  return {
    what: "node packages, by npm (into node_modules)",
    async install() {
      await runWithProgress(
        "Installing node packages",
        "npm",
        ["ci", "--no-audit", "--no-fund", ...promptRetries],
        { cwd: checkoutDir },
      );
      writeFileSync(stamp, wanted);
    },
  };
}

/** npm keeps its own copy of the lock file; newer means installed after it. */
function isInstalledByHand(modules, lockFile) {
  const copy = join(modules, ".package-lock.json");
  return existsSync(copy) &&
    statSync(copy).mtimeMs >= statSync(lockFile).mtimeMs;
}
