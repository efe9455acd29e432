import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { asGuest, isOfTheFleet } from "../migrations/profiles.ts";
import { schemaFiles } from "../migrations/schema-files.ts";
import type { Outcome } from "../outcome.ts";
import { prove } from "../prove.ts";

/** Under its own name a beat is the fleet's; what it does is everybody's. */
const BEAT = "public.func_worker_heartbeat_with_logs";

const HELPERS = "000_helpers.test.sql";

/** Some of their tests rest on how the fleet names its types and writes its params, or on its third pool. */
const FLEETS = new Set([
  "claim_next_task/gives_own_gpus_types_of_other_pools.test.sql",
  "orchestrators/are_known_by_their_name.test.sql",
  "orchestrators/are_mended_when_they_were_missed.test.sql",
  "orchestrators/complete_with_their_last_child.test.sql",
  "orchestrators/fail_and_are_cancelled_together.test.sql",
  "orchestrators/follow_a_change_of_params.test.sql",
  "orchestrators/lose_their_children.test.sql",
  "orchestrators/survive_their_own_repetition.test.sql",
  "settings/ship_what_the_fleet_runs_with.test.sql",
  "task_counts/names_a_taken_place_before_stale.test.sql",
  "task_types/are_set_by_one_call.test.sql",
  "task_types/may_run_on_own_gpus.test.sql",
  "task_types/without_a_row_are_listed.test.sql",
]);

/** What differs in the words of clients is in one helper of the tests. */
const FLEET_WORDS = "001_fleet_words.test.sql";
const GUEST_WORDS = new URL("./guest-words.sql", import.meta.url);

/** The tests say which settings they depend on, but for those that the fleet ships otherwise. */
const AS_TESTED = `
update fairlane_core.settings set registers_owners = false, requires_credits = true, fails_siblings = true;
create function tests.worker_heartbeat(json) returns json language sql as 'select fairlane_core.worker_heartbeat($1)';
-- What a guest may ask for.
create extension if not exists pg_cron;
select fairlane_core.schedule_jobs();
select fairlane_core.make_bucket();
`;

/** Runs the pgTAP tests in the names of guests, but for those of what guests do not have. */
export async function proveAsGuest(
  { root, workDir, ...context }: Parameters<typeof prove>[0] & {
    readonly workDir: string;
  },
  url: string,
): Promise<Outcome> {
  const from = join(root, "supabase", "tests");
  const folder = "guest-tests";
  const fleets = fleetsNames(root);
  rmSync(join(workDir, folder), { recursive: true, force: true });
  const names = readdirSync(from, { recursive: true, encoding: "utf8" });
  const gone = [...FLEETS].filter((name) => !names.includes(name));
  if (gone.length > 0) throw new Error(`There is no ${gone.join(", ")}`);
  for (const name of names) {
    if (!name.endsWith(".sql")) continue;
    const source = name === FLEET_WORDS ? GUEST_WORDS : join(from, name);
    const text = readFileSync(source, "utf8")
      .replaceAll(BEAT, "tests.worker_heartbeat");
    if (name.startsWith("fleet/") || FLEETS.has(name)) continue;
    if (fleets.test(text)) continue;
    const path = join(workDir, folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, asGuest(name === HELPERS ? text + AS_TESTED : text));
  }
  return await prove({ ...context, root: workDir }, url, [folder]);
}

/** The names of what 85_fleet makes. */
function fleetsNames(root: string): RegExp {
  const names = schemaFiles(root)
    .filter(({ name }) => isOfTheFleet(name))
    .flatMap(({ text }) => [
      ...text.matchAll(
        /^create (?:function|view) (?:public|fairlane_core)\.(\w+)/gm,
      ),
    ]).map(([, name = ""]) => name);
  return new RegExp(`\\b(?:${names.join("|")})\\b`);
}
