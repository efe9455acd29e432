import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What a release reads and writes of a checkout, copied. */
export function copyToRelease(checkout: string): string {
  const root = mkdtempSync(join(tmpdir(), "release-"));
  for (
    const path of [
      join("supabase", "schemas"),
      join("supabase", "migrations"),
      join("cli", "assets", "migrations"),
      join("shared", "version.ts"),
      "package.json",
      "package-lock.json",
      "CHANGELOG.md",
    ]
  ) cpSync(join(checkout, path), join(root, path), { recursive: true });
  return root;
}

/** One change of each kind that a release brings to databases by itself. */
export function changeSchemas(root: string): void {
  for (const [file, what, by] of CHANGES) {
    const path = join(root, "supabase", "schemas", file);
    const text = readFileSync(path, "utf8");
    const changed = text.replace(what, by);
    if (changed === text) throw new Error(`${file} has no ${what}`);
    writeFileSync(path, changed);
  }
}

const CHANGES: readonly (readonly [string, RegExp, string])[] = [
  // A function has another signature, one is new, one is gone.
  [
    "80_reads/task_counts.sql",
    /(function fairlane_core\.blocked_sum\(p_blocked json, )p_reasons(.*?)p_reasons/s,
    "$1p_names$2p_names",
  ],
  [
    "90_api/for_apps_and_operators.sql",
    /(function fairlane\.explain_task\(p_caller jsonb, )p_task_id(.*?)p_task_id/s,
    "$1p_task$2p_task",
  ],
  [
    "80_reads/load.sql",
    /$/,
    `
-- Added by an example of a release.
create function fairlane_core.added()
returns integer
language sql
stable
security invoker
set search_path = ''
as $$$$
  select 1;
$$$$;
`,
  ],
  [
    "70_recovery/restore.sql",
    /create function fairlane_core\.wide_grants\(\).*?\n\$\$;\n/s,
    "",
  ],
  ["70_recovery/recount.sql", /create trigger tasks_after_truncate\b/, "$&d"],
  [
    "91_grants/rights.sql",
    /(create policy owners_read_projects.*?) and deleted_at is null/s,
    "$1",
  ],
  [
    "91_grants/rights.sql",
    /grant select on table fairlane\.task_types to authenticated;/,
    "",
  ],
  [
    "90_api/for_apps_and_operators.sql",
    /(comment on function [\s\S]*? is\s+')/,
    "$1Changed. ",
  ],
];
