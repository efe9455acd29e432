import type { Extra } from "./package.ts";
import type { Project } from "./project.ts";

/** What a project's migrations say of the queue. */
export interface Installed {
  /** The numbers of the migrations that it has: `0001`. */
  readonly numbers: ReadonlySet<string>;
  readonly extras: ReadonlySet<Extra>;
}

/** What was installed and not removed again. */
export function installedIn({ migrations }: Project): Installed {
  const names = migrations.map(({ name }) => name);
  const since = names.slice(names.lastIndexOf(UNINSTALL) + 1);
  return {
    numbers: new Set(
      since.flatMap((name) => /^fairlane_(\d{4})_/.exec(name)?.[1] ?? []),
    ),
    extras: new Set(
      (["jobs", "bucket"] as const)
        .filter((extra) => since.includes(nameOfExtra(extra))),
    ),
  };
}

/** The name of the migration that removes the queue. */
export const UNINSTALL = "fairlane_uninstall";

export function nameOfExtra(extra: Extra): string {
  return `fairlane_${extra}`;
}
