import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runSqlFiles } from "../../stack/sql.ts";
import { applyMigrations, applySchemas } from "../equality/apply.ts";
import { describeCatalog } from "../equality/catalog.ts";
import { differences } from "../equality/differences.ts";
import { makeThrowAwayDatabase } from "../equality/throw-away-database.ts";
import { changeSchemas, copyToRelease } from "../migrations/example-release.ts";
import { unreleasedMigration } from "../migrations/unreleased.ts";
import { passesWithout } from "../outcome.ts";
import type { CheckoutStep } from "../step.ts";

const SIDES = { left: "the release before and its next", right: "schemas" };

/** The migration that `npm run release` names brings a database to what schema files say then. */
export const nextRelease: CheckoutStep = {
  name: "next-release",
  async run(context) {
    const { root } = context;
    const changed = copyToRelease(root);
    const workDir = join(context.workDir, "next-release");
    mkdirSync(workDir, { recursive: true });
    const [migrated, declared] = await Promise.all([
      makeThrowAwayDatabase(workDir, "released", true),
      makeThrowAwayDatabase(workDir, "to-be-released", true),
    ]);
    try {
      changeSchemas(changed);
      const next = join(workDir, "next-release.sql");
      writeFileSync(next, unreleasedMigration(changed));
      await Promise.all([
        applyMigrations(context, migrated.url),
        applySchemas({ ...context, workDir, root: changed }, declared.postgres),
      ]);
      await runSqlFiles(migrated.postgres, { role: "postgres" }, [next]);
      return passesWithout(differences(
        await describeCatalog(migrated.url),
        await describeCatalog(declared.url),
        SIDES,
      ));
    } finally {
      await Promise.all([migrated.discard(), declared.discard()]);
      rmSync(changed, { recursive: true });
    }
  },
};
