import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { generateTypes, TYPES_FILE } from "../generated-types.ts";
import { fails, passes } from "../outcome.ts";
import type { StackStep } from "../step.ts";

/** The checked-in types are those of the migrated database. */
export const generatedTypes: StackStep = {
  name: "generated-types",
  async run(context) {
    const file = join(context.root, TYPES_FILE);
    const kept = existsSync(file) ? readFileSync(file, "utf8") : "";
    const fresh = await generateTypes(context, context.stack.dbUrl);
    return kept === fresh
      ? passes()
      : fails(`${TYPES_FILE} is out of date: run "npm run types"`);
  },
};
