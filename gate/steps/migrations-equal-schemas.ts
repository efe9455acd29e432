import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describeCatalog } from "../equality/catalog.ts";
import { differences } from "../equality/differences.ts";
import { findPlanted } from "../equality/find-planted.ts";
import { PLANTED } from "../equality/planted.ts";
import { applyMigrations, applySchemas } from "../equality/apply.ts";
import { makeThrowAwayDatabase } from "../equality/throw-away-database.ts";
import { staleMigrations } from "../migrations/generated.ts";
import { type Outcome, passesWithout, total } from "../outcome.ts";
import type { CheckoutContext, CheckoutStep } from "../step.ts";

const SIDES = { left: "migrations", right: "schemas" };

/** What ships (supabase/migrations) is what one reads (supabase/schemas). */
export const migrationsEqualSchemas: CheckoutStep = {
  name: "migrations-equal-schemas",
  async run(context) {
    const { root, workDir } = context;
    const generated = passesWithout(staleMigrations(root));
    const [migrated, declared] = await Promise.all([
      makeThrowAwayDatabase(workDir, "migrated", true),
      makeThrowAwayDatabase(workDir, "declared", true),
    ]);
    try {
      await Promise.all([
        applyMigrations(context, migrated.url),
        applySchemas(context, declared.postgres),
      ]);
      const urls = [migrated.url, declared.url] as const;
      const official = await compareWithTheOfficialTool(context, ...urls);
      return total([
        generated,
        official,
        passesWithout(differences(
          await describeCatalog(migrated.url),
          await describeCatalog(declared.url),
          SIDES,
        )),
        await findPlanted(PLANTED, urls, describeCatalog),
      ]);
    } finally {
      await Promise.all([migrated.discard(), declared.discard()]);
    }
  },
};

async function compareWithTheOfficialTool(
  { run, workDir }: CheckoutContext,
  migrated: string,
  declared: string,
): Promise<Outcome> {
  const file = join(workDir, "difference.sql");
  rmSync(file, { force: true });
  const diff = await run("supabase", [
    ...["db", "diff", "--from", migrated, "--to", declared],
    ...["--schema", "public,fairlane_core", "--output", file],
  ]);
  if (!diff.ok) throw new Error(`supabase db diff failed:\n${diff.output}`);
  // It exits with 0 either way: what it wrote is the answer.
  const sql = existsSync(file) ? readFileSync(file, "utf8").trim() : "";
  return passesWithout(
    sql ? [`supabase db diff, from migrations to schemas:\n${sql}`] : [],
  );
}
