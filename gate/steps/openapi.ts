import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { WRITTEN } from "../openapi/text.ts";
import { fails, passes } from "../outcome.ts";
import type { CheckoutStep } from "../step.ts";

/** What the documents tell of the endpoints is what the zod schemas say. */
export const openApi: CheckoutStep = {
  name: "openapi",
  run({ root }) {
    const stale = Object.entries(WRITTEN).filter(([file, text]) => {
      const path = join(root, file);
      return !existsSync(path) || readFileSync(path, "utf8") !== text();
    }).map(([file]) => file);
    return Promise.resolve(
      stale.length === 0
        ? passes()
        : fails(`Out of date: ${stale.join(", ")}. Run "npm run openapi"`),
    );
  },
};
