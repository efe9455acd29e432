import { admin } from "../support/db.ts";
import { counterDrift } from "../support/drift.ts";
import { filesBelow } from "../support/storage.ts";
import type { Owner } from "../support/world.ts";

/** What is left of a story: all that a client or a user could notice later. */
export interface Outcome {
  readonly tasks: unknown[];
  readonly generations: unknown[];
  /** How each task went from state to state; reports that changed none are left out. */
  readonly history: string[];
  readonly files: string[];
  readonly drift: unknown[];
}

/** The outcome of a story about this owner, without what no two stories share. */
export async function outcomeOf(owner: Owner): Promise<Outcome> {
  const sql = admin();
  const tasks = await sql`
    select * from public.tasks where user_id = ${owner.id}
  `;
  const generations = await sql`
    select * from public.generations where user_id = ${owner.id}
  `;
  const history = await sql<{ line: string }[]>`
    select concat(coalesce(from_status, '-'), ' -> ', to_status) as line
    from public.task_events
    where user_id = ${owner.id}
      and from_status is distinct from to_status
    order by id
  `;
  const drift = await sql`select * from fairlane_core.drift()`;
  const nameless = namelessness(owner, tasks.map((task) => String(task["id"])));
  return {
    tasks: tasks.map(nameless),
    generations: generations.map(nameless),
    history: history.map(({ line }) => line),
    files: (await filesBelow(owner.id)).map((path) => String(nameless(path))),
    drift: [...drift, ...await counterDrift()],
  };
}

/** Puts words in place of times and of the ids that differ from run to run. */
function namelessness(
  owner: Owner,
  taskIds: readonly string[],
): (value: unknown) => unknown {
  const words = new Map([
    [owner.id, "owner"],
    [owner.projectId, "project"],
    ...taskIds.map((id, index): [string, string] => [id, `task ${index}`]),
  ]);
  const nameless = (value: unknown, key?: string): unknown => {
    if (value instanceof Date) return "a time";
    if (value === null) return null;
    if (key === "lease_token") return "a lease";
    // How often a reply was lost is counted, and answered to nobody.
    if (key === "uncounted_releases" || key === "claim_repeats") {
      return "a count";
    }
    if (typeof value === "string") {
      return [...words].reduce(
        (text, [id, word]) => text.replaceAll(id, word),
        // What nobody can guess in the name of a file.
        value.replaceAll(/\b[0-9a-f]{32}-/g, "secret-"),
      );
    }
    if (typeof value !== "object") return value;
    const entries = Object.entries(value)
      .filter(([name]) => !("task_id" in value && name === "id"))
      .map(([name, member]) => [name, nameless(member, name)]);
    return Object.fromEntries(entries);
  };
  return (value) => nameless(value);
}
