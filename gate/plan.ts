import type { CheckoutStep, StackStep } from "./step.ts";
import { advisors } from "./steps/advisors.ts";
import { databaseAsHosted, e2eAsHosted } from "./steps/as-hosted.ts";
import { closedByDefault } from "./steps/closed-by-default.ts";
import { database } from "./steps/database.ts";
import { dbLint } from "./steps/db-lint.ts";
import { deploy } from "./steps/deploy.ts";
import { format } from "./steps/format.ts";
import { functionsExecuted } from "./steps/functions-executed.ts";
import { generatedTypes } from "./steps/generated-types.ts";
import { lint } from "./steps/lint.ts";
import { migrationsEqualSchemas } from "./steps/migrations-equal-schemas.ts";
import { openApi } from "./steps/openapi.ts";
import { databaseInOtherCorners } from "./steps/other-corners.ts";
import {
  e2e,
  faults,
  fleet,
  incidents,
  integration,
  isolation,
  model,
  property,
  upgrade,
} from "./steps/suites-on-the-stack.ts";
import { triggerLint } from "./steps/trigger-lint.ts";
import { typesDenoHosted } from "./steps/types-deno-hosted.ts";
import { typesDeno } from "./steps/types-deno.ts";
import { typesNode } from "./steps/types-node.ts";
import { unit } from "./steps/unit.ts";

/** Need only the files: they run beside the start of the stack. */
export const onTheFiles: readonly CheckoutStep[] = [
  format,
  lint,
  typesDeno,
  typesDenoHosted,
  typesNode,
  openApi,
  unit,
  deploy,
];

/**
 * Look at the migrated database. They come before pgTAP, whose own functions
 * the linters would report.
 */
export const onTheSchema: readonly StackStep[] = [
  generatedTypes,
  dbLint,
  triggerLint,
  advisors,
  migrationsEqualSchemas,
  closedByDefault,
];

/**
 * Use the database, alone on the machine. The order counts: pgTAP wants an
 * empty queue, requests come after everything that is not a request, and the
 * last looks back at all of them.
 */
export const onTheStack: readonly StackStep[] = [
  database,
  databaseInOtherCorners,
  property,
  model,
  isolation,
  integration,
  e2e,
  faults,
  fleet,
  incidents,
  upgrade,
  functionsExecuted,
];

/** Use a second stack, which is as near to a hosted project as npm comes. */
export const onTheStackAsHosted: readonly StackStep[] = [
  databaseAsHosted,
  e2eAsHosted,
];

/** The names that `--only` knows. */
export const stepNames: readonly string[] = [
  ...onTheFiles,
  ...onTheSchema,
  ...onTheStack,
  ...onTheStackAsHosted,
].map((step) => step.name);
