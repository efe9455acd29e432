import { basename, join } from "node:path";
import type { Change, Plan } from "./changes.ts";
import { withFunction, withoutFunction } from "./config-block.ts";
import { installedIn, nameOfExtra, UNINSTALL } from "./installed.ts";
import type { Extra, Language, Package } from "./package.ts";
import { PLACES, type Project, textOf } from "./project.ts";
import { stampsAfter } from "./stamps.ts";
import { UNINSTALL_SQL } from "./uninstall.ts";

/** What somebody asks of `init`. */
export interface InitOptions {
  readonly extras: readonly Extra[];
  /** No example worker without it. */
  readonly worker: Language | undefined;
  readonly now: Date;
}

/** Somebody wants what the project does not allow. */
export class Impossible extends Error {}

const PUSH = "npx supabase db push --remote";
const DEPLOY = "npx supabase functions deploy fairlane --use-api";

/** What makes a project one that has the queue. What it has of it stays as it is. */
export function planInit(
  project: Project,
  pack: Package,
  { extras, worker, now }: InitOptions,
): Plan {
  return {
    changes: [
      ...migrationChanges(project, pack, extras, now),
      ...functionChanges(pack).filter(({ path }) =>
        textOf(project.root, path) === undefined
      ),
      configChange(project),
      ...worker === undefined ? [] : workerChanges(project, pack, worker),
    ],
    next: [PUSH, DEPLOY],
  };
}

/** What brings a project that has the queue to the version of the package. */
export function planUpgrade(
  project: Project,
  pack: Package,
  now: Date,
): Plan {
  requireInstalled(project);
  const migrations = migrationChanges(project, pack, [], now);
  return {
    changes: [
      ...migrations,
      ...functionChanges(pack),
      configChange(project),
    ],
    // The database first: an older function works with a younger schema, not the reverse.
    next: [
      ...migrations.length > 0 ? [PUSH] : [],
      DEPLOY,
    ],
  };
}

/** What removes the queue from a project, with all tasks. An example worker stays. */
export function planUninstall(
  project: Project,
  pack: Package,
  now: Date,
): Plan {
  requireInstalled(project);
  const [stamp] = stampsAfter(project.migrations, now, 1);
  return {
    changes: [
      {
        path: join(PLACES.migrations, `${stamp}_${UNINSTALL}.sql`),
        text: UNINSTALL_SQL,
        what: "drops both schemas with all tasks, and the jobs",
      },
      ...pack.functionFiles.map(({ name }) => ({
        path: join(PLACES.function, name),
        what: "the function",
      })),
      ...project.config === undefined ? [] : [{
        path: PLACES.config,
        text: withoutFunction(project.config),
        what: "without the block [functions.fairlane]",
      }],
    ],
    next: [
      "npx supabase functions delete fairlane",
      PUSH,
    ],
  };
}

/** One file of SQL, for whoever uses no CLI. */
export function wholeSql(pack: Package, extras: readonly Extra[]): string {
  return [
    ...pack.migrations.map((migration) => pack.migration(migration)),
    ...extras.map((extra) => pack.extra(extra)),
  ].join("\n");
}

function requireInstalled(project: Project): void {
  if (installedIn(project).numbers.size === 0) {
    throw new Impossible(
      "This project does not have the queue: there is no migration fairlane_0001. `fairlane init` adds it.",
    );
  }
}

/** Those that the project lacks, after the youngest that it has. */
function migrationChanges(
  project: Project,
  pack: Package,
  extras: readonly Extra[],
  now: Date,
): Change[] {
  const installed = installedIn(project);
  const missing = [
    ...pack.migrations
      .filter(({ number }) => !installed.numbers.has(number))
      .map((migration) => ({
        name: `fairlane_${migration.number}_${migration.name}`,
        text: pack.migration(migration),
        what: migration.effect,
      })),
    ...extras.filter((extra) => !installed.extras.has(extra)).map((extra) => ({
      name: nameOfExtra(extra),
      text: pack.extra(extra),
      what: WHAT_EXTRAS_DO[extra],
    })),
  ];
  const stamps = stampsAfter(project.migrations, now, missing.length);
  return missing.map(({ name, text, what }, index) => ({
    path: join(PLACES.migrations, `${stamps[index]}_${name}.sql`),
    text,
    what,
  }));
}

const WHAT_EXTRAS_DO: Readonly<Record<Extra, string>> = {
  jobs: "schedules the jobs fairlane-* with pg_cron, which must be enabled",
  bucket: "makes the bucket for results, image_uploads",
};

function functionChanges(pack: Package): Change[] {
  return pack.functionFiles.map(({ name, text }) => ({
    path: join(PLACES.function, name),
    text,
    what: "the function",
  }));
}

function configChange({ root, config }: Project): Change {
  return {
    path: PLACES.config,
    text: withFunction(config, basename(root)),
    what: "with a block [functions.fairlane]",
  };
}

function workerChanges(
  { root }: Project,
  pack: Package,
  language: Language,
): Change[] {
  const { name, text } = pack.worker(language);
  const files = [
    { name, text, what: "an example worker, yours to change" },
    { name: ".env.example", text: pack.environment, what: "its settings" },
  ];
  return files
    .map(({ name, ...file }) => ({ path: join(PLACES.worker, name), ...file }))
    .filter(({ path }) => textOf(root, path) === undefined);
}
