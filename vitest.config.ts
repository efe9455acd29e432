import { existsSync } from "node:fs";
import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import { asGuest } from "./gate/migrations/profiles.ts";
import { isGuest, NOT_FOR_GUESTS } from "./tests/support/profile.ts";

/** Tests are written in the names of the fleet; a guest's are read in its own. */
const inTheNamesOfGuests = {
  name: "in-the-names-of-guests",
  enforce: "pre" as const,
  transform(code: string, id: string) {
    if (!id.startsWith(join(import.meta.dirname, "tests"))) return;
    return { code: asGuest(code), map: null };
  },
};

const leftOut = isGuest ? NOT_FOR_GUESTS : [];
const gone = leftOut.filter((file) =>
  !existsSync(join(import.meta.dirname, file))
);
if (gone.length > 0) throw new Error(`There is no ${gone.join(", ")}`);

/** Suites that talk to a running stack; they share it, so one file at a time. */
function onTheStack(name: string, order: number) {
  return {
    extends: true as const,
    test: {
      name,
      include: [`tests/${name}/**/*.test.ts`],
      exclude: [...configDefaults.exclude, ...leftOut],
      globalSetup: ["tests/support/global-setup.ts"],
      setupFiles: ["tests/support/close-connections.ts"],
      fileParallelism: false,
      sequence: { groupOrder: order },
    },
  };
}

export default defineConfig({
  plugins: isGuest ? [inTheNamesOfGuests] : [],
  resolve: {
    alias: isGuest
      ? [{ find: /^(.*)\/fleet-words\.ts$/, replacement: "$1/guest-words.ts" }]
      : [],
  },
  test: {
    // Only what has stopped for good takes as long: other work may run beside.
    testTimeout: 300_000,
    hookTimeout: 600_000,
    // One process for the files of a project, which loads what they share once:
    // loading it anew for each takes longer than the tests.
    isolate: false,
    // A suite that vanished is a failure, and so is a forgotten `.only`.
    passWithNoTests: false,
    allowOnly: false,
    restoreMocks: true,
    unstubEnvs: true,
    unstubGlobals: true,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [
            "bench/**/*.test.ts",
            "cli/**/*.test.ts",
            "demo/**/*.test.ts",
            "gate/**/*.test.ts",
            "shared/**/*.test.ts",
            "stack/**/*.test.ts",
            "supabase/functions/**/*.test.ts",
            "tests/support/**/*.test.ts",
          ],
          sequence: { groupOrder: 0 },
        },
      },
      onTheStack("integration", 1),
      onTheStack("e2e", 2),
      onTheStack("incidents", 3),
      onTheStack("upgrade", 4),
      onTheStack("model", 6),
      onTheStack("isolation", 7),
      onTheStack("faults", 8),
      onTheStack("fleet", 9),
      onTheStack("cron", 12),
      {
        extends: true,
        test: {
          name: "starts",
          include: ["tests/starts/**/*.test.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 10 },
        },
      },
      {
        extends: true,
        test: {
          name: "deploy",
          include: ["tests/deploy/**/*.test.ts"],
          sequence: { groupOrder: 11 },
        },
      },
      {
        extends: true,
        test: {
          name: "adopt",
          include: ["tests/adopt/**/*.test.ts"],
          fileParallelism: false,
          sequence: { groupOrder: 13 },
        },
      },
    ],
  },
});
