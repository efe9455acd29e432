import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { OPENAPI_FILE } from "../openapi/document.ts";
import { openApiText } from "../openapi/text.ts";
import { fails, passes } from "../outcome.ts";
import type { CheckoutStep } from "../step.ts";

/** The checked-in OpenAPI document is that of the zod schemas. */
export const openApi: CheckoutStep = {
  name: "openapi",
  run({ root }) {
    const file = join(root, OPENAPI_FILE);
    const kept = existsSync(file) ? readFileSync(file, "utf8") : "";
    return Promise.resolve(
      kept === openApiText()
        ? passes()
        : fails(`${OPENAPI_FILE} is out of date: run "npm run openapi"`),
    );
  },
};
