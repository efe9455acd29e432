import { join } from "node:path";
import process from "node:process";
import { checkoutDir } from "../../stack/paths.ts";
import { runOrThrow } from "../../stack/run.ts";
import { buildPackage } from "./build.ts";

// npm run package: builds the package that `fairlane` is published as, and
// packs it into the folder .stack.

const to = join(checkoutDir, ".stack", "package");
await buildPackage(checkoutDir, to);
await runOrThrow("npm pack", "npm", [
  "pack",
  "--pack-destination",
  join(to, ".."),
], { cwd: to });
process.stdout.write(`Packed into ${join(to, "..")}\n`);
