import { chosenServer, postgresServer } from "../stack/postgres-server.ts";
import {
  startFreshStack,
  startStackAsHosted,
  startStackOfAGuest,
} from "./fresh-stack.ts";
import type { CheckoutStep, Crew, LastStep, StackStep } from "./step.ts";
import { closedByDefault } from "./steps/closed-by-default.ts";
import { advisors, dbLint, format, lint, typesNode } from "./steps/commands.ts";
import { database, databaseAsHosted } from "./steps/database.ts";
import { functionsExecuted } from "./steps/functions-executed.ts";
import { generatedTypes } from "./steps/generated-types.ts";
import { databaseOfAGuest, guest } from "./steps/guest.ts";
import { migrationsEqualSchemas } from "./steps/migrations-equal-schemas.ts";
import { nextRelease } from "./steps/next-release.ts";
import { openApi } from "./steps/openapi.ts";
import { databaseInOtherCorners } from "./steps/other-corners.ts";
import {
  adopt,
  cron,
  deploy,
  e2e,
  e2eAsHosted,
  e2eOfAGuest,
  faults,
  fleet,
  incidents,
  integration,
  integrationInFull,
  isolation,
  jobsOfAGuest,
  model,
  modelOfAGuest,
  starts,
  unit,
  upgrade,
} from "./steps/suites.ts";
import { triggerLint } from "./steps/trigger-lint.ts";
import { typesDenoHosted } from "./steps/types-deno-hosted.ts";
import { typesDeno } from "./steps/types-deno.ts";

/** What runs side by side, and what looks back at all of it. */
export interface Plan {
  readonly crews: readonly Crew[];
  readonly last: readonly LastStep[];
}

/** Need only the files, or make databases of their own. */
const onTheFiles: readonly CheckoutStep[] = [
  format,
  lint,
  typesDeno,
  typesDenoHosted,
  typesNode,
  openApi,
  unit,
  deploy,
  migrationsEqualSchemas,
  closedByDefault,
  guest,
];

/**
 * The linters look at the migrated database. They come before pgTAP, whose own
 * functions they would report; and pgTAP wants an empty queue.
 */
const onANewStack: readonly StackStep[] = [
  generatedTypes,
  dbLint,
  triggerLint,
  advisors,
  database,
];

/**
 * Each on any stack, whatever was on it before. The long ones first, so that
 * the last ones fill what is left. Requests come after everything that is not a
 * request, on either stack: calls are counted.
 */
const onAnyStack: readonly StackStep[] = [
  integration,
  upgrade,
  isolation,
  model,
  ...[e2e, fleet, faults, incidents],
];

/** `npm test`: two lanes for two cores. */
export const everyday: Plan = {
  crews: [{
    lanes: [
      {
        stack: {
          name: "stack",
          server: chosenServer,
          begin: startFreshStack,
        },
        steps: onANewStack,
      },
      {
        stack: {
          name: "second-stack",
          server: chosenServer,
          begin: startFreshStack,
        },
        steps: [],
      },
    ],
    beside: [cron],
    files: onTheFiles,
    steps: onAnyStack,
  }],
  last: [functionsExecuted],
};

/**
 * `npm run test:all`: what `npm test` leaves out, which are the same tests on
 * other versions and under other defaults, for guests or with more rows, and
 * `npm start`. Each lane is a hosted project, one the fleet's and one a guest's.
 */
export const otherCorners: Plan = {
  crews: [{
    lanes: [
      {
        stack: {
          name: "stack-as-hosted",
          server: () => postgresServer(17),
          begin: startStackAsHosted,
        },
        steps: [databaseAsHosted, e2eAsHosted],
      },
      {
        stack: {
          name: "stack-of-a-guest",
          server: () => postgresServer(17),
          begin: startStackOfAGuest,
        },
        steps: [e2eOfAGuest],
      },
    ],
    beside: [jobsOfAGuest],
    files: [
      databaseOfAGuest,
      modelOfAGuest,
      databaseInOtherCorners,
      nextRelease,
      starts,
      integrationInFull,
      adopt,
    ],
    steps: [],
  }],
  last: [],
};

/** Both, for `--only`. */
export const everything: Plan = {
  crews: [...everyday.crews, ...otherCorners.crews],
  last: [...everyday.last, ...otherCorners.last],
};

/** The names that `--only` knows. */
export const stepNames: readonly string[] = [
  ...everything.crews.flatMap(({ lanes, beside, files, steps }) => [
    ...lanes.flatMap((lane) => lane.steps),
    ...beside,
    ...files,
    ...steps,
  ]),
  ...everything.last,
].map((step) => step.name);
