import type { Connection } from "../../support/db.ts";
import { tokenHash, userId } from "./ids.ts";
import {
  type Settings,
  type TaskType,
  typeBefore,
  type User,
  type World,
} from "./world.ts";
import { writeTasks } from "./write-tasks.ts";

const PLAIN: User = { credits: 1, limit: null, settings: {}, isLate: false };

/**
 * Brings the world about by what really happens: rows are inserted Queued, put
 * into their state by updates, and owners, types and settings change in between.
 */
export async function writeWorld(sql: Connection, world: World): Promise<void> {
  const { users, types, settings } = world;
  if (!settings.isLate) await writeSettings(sql, settings);
  for (const [index, user] of users.entries()) {
    await writeUser(sql, index, user.isLate ? PLAIN : user);
  }
  for (const type of types) {
    if (type.before !== "absent") await writeType(sql, typeBefore(type));
  }

  await writeTasks(sql, world);

  for (const [index, user] of users.entries()) {
    if (user.isLate) await writeUser(sql, index, user);
  }
  for (const type of types) {
    if (type.before !== "same") await writeType(sql, type);
  }
  if (settings.isLate) await writeSettings(sql, settings);
  await stepClock(sql, world.elapsedMinutes * 60);
}

/** Moves the queue's clock, in this transaction alone. */
export async function stepClock(
  sql: Connection,
  seconds: number,
): Promise<void> {
  if (seconds === 0) return;
  await sql`
    update fairlane_core.settings
    set clock_offset = clock_offset + make_interval(secs => ${seconds})
  `;
}

async function writeSettings(
  sql: Connection,
  settings: Settings,
): Promise<void> {
  await sql`
    update fairlane_core.settings
    set
      default_task_limit = ${settings.defaultLimit},
      stale_after = make_interval(mins => ${settings.staleAfterMinutes}),
      requires_credits = ${settings.requiresCredits},
      registers_owners = ${settings.registersOwners}
  `;
}

async function writeUser(
  sql: Connection,
  index: number,
  { credits, limit, settings }: User,
): Promise<void> {
  const user = userId(index);
  await sql`
    insert into public.users (id, credits, max_in_progress, settings)
    values (
      ${user}, ${credits}, ${limit}, ${JSON.stringify(settings)}::text::jsonb
    )
    on conflict (id) do update set
      credits = excluded.credits,
      max_in_progress = excluded.max_in_progress,
      settings = excluded.settings
  `;
  await sql`
    insert into public.projects (id, user_id) values (${user}, ${user})
    on conflict do nothing
  `;
  await sql`
    insert into public.user_api_tokens (id, user_id, token_hash)
    values (${user}, ${user}, ${tokenHash(index)})
    on conflict do nothing
  `;
}

async function writeType(sql: Connection, type: TaskType): Promise<void> {
  await sql`
    insert into public.task_types (
      name, run_type, category, is_active, runs_on_own_gpu
    )
    values (
      ${type.name}, ${type.pool},
      ${type.isOrchestration ? "orchestration" : "processing"},
      ${type.isActive}, ${type.runsOnOwnGpu}
    )
    on conflict (name) do update set
      run_type = excluded.run_type,
      runs_on_own_gpu = excluded.runs_on_own_gpu,
      is_active = excluded.is_active
  `;
}
