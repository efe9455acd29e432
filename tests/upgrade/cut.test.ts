import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import postgres from "postgres";
import type { ThrowAwayDatabase } from "../../gate/equality/throw-away-database.ts";
import { checkoutDir, supabaseDir } from "../../stack/paths.ts";
import { Chance } from "../support/chance.ts";
import { counterDrift } from "../support/drift.ts";
import {
  applyMigrations,
  applyOtherMigrations,
  migrationFiles,
  migrationUp,
} from "../support/old-database.ts";
import { pauseJobs } from "../support/pause-jobs.ts";
import { differencesFromFresh } from "./like-a-fresh-install.ts";
import { oldDatabaseAtSize } from "./old-database-at-size.ts";

const ROWS = 5_000;
const CUTS = 6;
const SEED = Number(process.env["UPGRADE_SEED"] ?? 20_261_128);

describe("an upgrade", () => {
  let database: ThrowAwayDatabase;
  let sql: postgres.Sql;

  beforeEach(async () => {
    database = await oldDatabaseAtSize("cut", ROWS);
    sql = postgres(database.url, { max: 1, onnotice: () => {} });
  }, 300_000);
  afterEach(async () => {
    await sql?.end();
    await database?.discard();
  });

  it(
    `that is cut ${CUTS} times ends like one that is not (seed ${SEED})`,
    async () => {
      const chance = new Chance(SEED);
      const applied = [await count()];
      for (let cut = 0; cut < CUTS; cut++) {
        await startAndCut(
          1 + Math.floor(2 * chance.next()),
          400 * chance.next(),
        );
        applied.push(await count());
      }
      await applyMigrations(database.url);
      // Otherwise nothing was cut on the way.
      expect(new Set(applied).size, `${applied}`).toBeGreaterThan(2);
      await expectUpgraded();
    },
    300_000,
  );

  it(
    "comes to the same when each step that is no transaction is done twice",
    async () => {
      const twice = migrationFiles().filter(isNoTransaction);
      expect(twice.length).toBeGreaterThan(3);
      await applyOtherMigrations(database.url, (migrations) => {
        for (const name of migrationFiles()) {
          const file = join(supabaseDir, "migrations", name);
          copyFileSync(file, join(migrations, name));
          if (!twice.includes(name)) continue;
          const version = BigInt(name.slice(0, 14)) + 1n;
          copyFileSync(file, join(migrations, `${version}_again.sql`));
        }
      });
      await expectUpgraded();
    },
    300_000,
  );

  /** Everything that a step committed before the rest of it counts. */
  function isNoTransaction(name: string): boolean {
    const text = readFileSync(join(supabaseDir, "migrations", name), "utf8");
    const blocks = text.match(/^do \$\$[^]*?^\$\$;$/gm) ?? [];
    return /\bconcurrently if not exists\b/.test(text) ||
      blocks.some((block) => /^\s*commit;$/m.test(block));
  }

  async function count(): Promise<number> {
    const [row] = await sql<{ count: number }[]>`
      select count(*)::integer as count from supabase_migrations.schema_migrations
    `;
    return row?.count ?? 0;
  }

  /**
   * Kills the program soon after it has begun with its nth migration, and,
   * because that may finish alone, its session as well.
   */
  async function startAndCut(migrations: number, waitMs: number) {
    const { program, args, env } = migrationUp(database.url);
    const child = spawn(program, args, {
      cwd: checkoutDir,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const ended = once(child, "exit");
    const begun = new Promise<void>((resolve) => {
      let said = "";
      const listen = (text: unknown) => {
        said += String(text);
        const applied = said.match(/^Applying migration /gm)?.length ?? 0;
        if (applied >= migrations) resolve();
      };
      child.stdout.on("data", listen);
      child.stderr.on("data", listen);
    });
    await Promise.race([ended, begun.then(() => delay(waitMs))]);
    if (child.exitCode === null && child.pid !== undefined) {
      process.kill(-child.pid, "SIGKILL");
    }
    await ended;
    await sql`
      select pg_terminate_backend(a.pid, 5000)
      from pg_stat_activity as a
      where a.usename = 'postgres'
        and a.backend_type = 'client backend'
        and a.pid <> pg_backend_pid()
    `;
  }

  async function expectUpgraded(): Promise<void> {
    // As the suites' own stack has them.
    await pauseJobs(database.adminUrl);
    expect((await differencesFromFresh(database.url)).join("\n")).toBe("");
    expect(await counterDrift(sql)).toEqual([]);
    const [found] = await sql`
      select count(*)::integer as rows,
        count(*) filter (
          where status in ('Queued', 'In Progress') and readiness is null
            or user_id is null and project_id is not null
        )::integer as incomplete
      from public.tasks
    `;
    expect(found).toEqual({ rows: ROWS, incomplete: 0 });
  }
});
