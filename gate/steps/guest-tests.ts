import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { asGuest } from "../migrations/profiles.ts";
import type { Outcome } from "../outcome.ts";
import { prove } from "../prove.ts";

/** The tests of what only the fleet has; the others hold for everybody. */
const OF_THE_FLEET = "fleet/";

/** Under its own name a beat is the fleet's; what it does is everybody's. */
const BEAT = "public.func_worker_heartbeat_with_logs";

const HELPERS = "000_helpers.test.sql";

/** What differs in the words of clients is in one helper of the tests. */
const FLEET_WORDS = "001_fleet_words.test.sql";
const GUEST_WORDS = new URL("./guest-words.sql", import.meta.url);

/** The tests say which settings they depend on, but for those that the fleet ships otherwise. */
const AS_TESTED = `
update fairlane_core.settings set registers_owners = false, requires_credits = true, owners_are_accounts = false, fails_siblings = true;
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
  rmSync(join(workDir, folder), { recursive: true, force: true });
  for (const name of readdirSync(from, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".sql") || name.startsWith(OF_THE_FLEET)) continue;
    const source = name === FLEET_WORDS ? GUEST_WORDS : join(from, name);
    const text = readFileSync(source, "utf8")
      .replaceAll(BEAT, "tests.worker_heartbeat");
    const path = join(workDir, folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, asGuest(name === HELPERS ? text + AS_TESTED : text));
  }
  return await prove({ ...context, root: workDir }, url, [folder]);
}
