import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runSqlFiles } from "../../stack/sql.ts";
import { applyMigrations, applySchemas } from "../equality/apply.ts";
import { describeCatalog } from "../equality/catalog.ts";
import { differences } from "../equality/differences.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../equality/throw-away-database.ts";
import { changeSchemas, copyToRelease } from "../migrations/example-release.ts";
import { guestMigration } from "../migrations/guest.ts";
import {
  OF_GUESTS,
  OF_THE_FLEET,
  unreleasedMigration,
} from "../migrations/unreleased.ts";
import { type Outcome, passesWithout, total } from "../outcome.ts";
import { query } from "../query.ts";
import type { CheckoutContext, CheckoutStep } from "../step.ts";

const SIDES = { left: "the release before and its next", right: "schemas" };

/** The migrations that `npm run release` names bring a database, the fleet's or a guest's, to what schema files say then. */
export const nextRelease: CheckoutStep = {
  name: "next-release",
  async run(context) {
    const changed = copyToRelease(context.root);
    try {
      changeSchemas(changed);
      const ofTheFleet = await compare(context, {
        next: unreleasedMigration(changed, OF_THE_FLEET),
        async before({ url }) {
          await applyMigrations(context, url);
        },
        async after({ postgres }, workDir) {
          await applySchemas({ ...context, workDir, root: changed }, postgres);
        },
      });
      // Released as it is now, then changed.
      const first = guestMigration(context.root);
      writeFileSync(join(changed, OF_GUESTS.dir, "0001_schema.sql"), first);
      const ofGuests = await compare(context, {
        next: unreleasedMigration(changed, OF_GUESTS),
        async before({ url }) {
          await query(url, first);
        },
        async after({ url }) {
          await query(url, guestMigration(changed));
        },
      });
      return total([ofTheFleet, ofGuests]);
    } finally {
      rmSync(changed, { recursive: true });
    }
  },
};

interface Databases {
  /** The migration that is tried. */
  readonly next: string;
  /** Makes the database that it comes to. */
  before(database: ThrowAwayDatabase): Promise<void>;
  /** Makes the one that it is to be like. */
  after(database: ThrowAwayDatabase, workDir: string): Promise<void>;
}

async function compare(
  context: CheckoutContext,
  { next, before, after }: Databases,
): Promise<Outcome> {
  const workDir = join(context.workDir, "next-release");
  mkdirSync(workDir, { recursive: true });
  const [migrated, declared] = await Promise.all([
    makeThrowAwayDatabase(workDir, "released", true),
    makeThrowAwayDatabase(workDir, "to-be-released", true),
  ]);
  try {
    const file = join(workDir, "next-release.sql");
    writeFileSync(file, next);
    await Promise.all([before(migrated), after(declared, workDir)]);
    await runSqlFiles(migrated.postgres, { role: "postgres" }, [file]);
    return passesWithout(differences(
      await describeCatalog(migrated.url),
      await describeCatalog(declared.url),
      SIDES,
    ));
  } finally {
    await Promise.all([migrated.discard(), declared.discard()]);
  }
}
