import { chosenServer, postgresServer } from "../stack/postgres-server.ts";
import { startFreshStack, startStackAsHosted } from "./fresh-stack.ts";
import type { CheckoutStep, Lane, LastStep, StackStep } from "./step.ts";
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

/** What runs side by side, and what looks back at all of it. */
export interface Plan {
  readonly lanes: readonly Lane[];
  readonly last: readonly LastStep[];
}

/** Need only the files. */
const onTheFiles: readonly CheckoutStep[] = [
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
 * The linters look at the migrated database. They come before pgTAP, whose own
 * functions they would report; and pgTAP wants an empty queue. What then asks
 * two sessions to meet or kills processes has databases of its own.
 */
const onTheStack: readonly StackStep[] = [
  generatedTypes,
  dbLint,
  triggerLint,
  advisors,
  migrationsEqualSchemas,
  closedByDefault,
  database,
  integration,
  upgrade,
];

/** Requests come after everything that is not a request: calls are counted. */
const onTheSecondStack: readonly StackStep[] = [
  isolation,
  property,
  model,
  e2e,
  faults,
  fleet,
  incidents,
];

/** `npm test`: two lanes for two cores, of about the same length. */
export const everyday: Plan = {
  lanes: [
    {
      files: [],
      stack: {
        name: "stack",
        server: chosenServer,
        begin: startFreshStack,
      },
      steps: onTheStack,
    },
    {
      files: onTheFiles,
      stack: {
        name: "second-stack",
        server: chosenServer,
        begin: startFreshStack,
      },
      steps: onTheSecondStack,
    },
  ],
  last: [functionsExecuted],
};

/**
 * `npm run test:all`: what `npm test` leaves out, which are the same tests on
 * other versions and under other defaults.
 */
export const otherCorners: Plan = {
  lanes: [
    {
      files: [],
      stack: {
        name: "stack-as-hosted",
        server: () => postgresServer(17),
        begin: startStackAsHosted,
      },
      steps: [databaseAsHosted, e2eAsHosted],
    },
    {
      files: [databaseInOtherCorners],
      stack: undefined,
      steps: [],
    },
  ],
  last: [],
};

/** Both, for `--only`. */
export const everything: Plan = {
  lanes: [...everyday.lanes, ...otherCorners.lanes],
  last: [...everyday.last, ...otherCorners.last],
};

/** The names that `--only` knows. */
export const stepNames: readonly string[] = [
  ...everything.lanes.flatMap(({ files, steps }) => [...files, ...steps]),
  ...everything.last,
].map((step) => step.name);
