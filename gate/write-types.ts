import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutDir } from "../stack/paths.ts";
import { startFreshStack } from "./fresh-stack.ts";
import { generateTypes, TYPES_FILE } from "./generated-types.ts";
import { Programs } from "./programs.ts";

// npm run types: writes the types of the migrated database.

const stack = await startFreshStack(join(checkoutDir, ".stack", "types"));
try {
  const types = await generateTypes(new Programs(checkoutDir), stack.dbUrl);
  writeFileSync(join(checkoutDir, TYPES_FILE), types);
  console.log(`Wrote ${TYPES_FILE}`);
} finally {
  await stack.stop();
}
