import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { limits } from "../../cli/limit.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "../../gate/equality/throw-away-database.ts";
import { guestMigration } from "../../gate/migrations/guest.ts";
import { query } from "../../gate/query.ts";
import { checkoutDir } from "../../stack/paths.ts";

/** What docs/adopt.md gives to an app whose own table holds plans and credits. */
const TRIGGERS = /```sql\n(create function public\.tell_fairlane[^]*?)```/
  .exec(readFileSync(join(checkoutDir, "docs", "adopt.md"), "utf8"))?.[1] ?? "";

let database: ThrowAwayDatabase;
const run = (sql: string) => query(database.url, sql);
beforeAll(async () => {
  const workDir = join(checkoutDir, ".stack", "adopt");
  mkdirSync(workDir, { recursive: true });
  database = await makeThrowAwayDatabase(workDir, "owners", true);
  await run(guestMigration(checkoutDir));
}, 300_000);
afterAll(() => database?.discard());

describe("limits by command", () => {
  it("are those of everybody, and of one", async () => {
    const owner = await signUp();
    const change = (limit: number | null, of?: string) =>
      limits(database.url, { owner: of, limit });
    expect(await change(3)).toEqual({ default: 3, owners: [] });
    expect(await change(10, owner)).toEqual({
      default: 3,
      owners: [{ owner, limit: 10 }],
    });
    expect(await slots(owner)).toEqual({ task_limit: 10 });
    const all = { owner: undefined, limit: undefined };
    expect((await limits(database.url, all)).owners).toHaveLength(1);
    expect(await change(null, owner)).toEqual({ default: 3, owners: [] });
    expect(await slots(owner)).toEqual({ task_limit: 3 });
  });

  it("are refused for somebody without account, in words", async () => {
    const owner = randomUUID();
    await expect(limits(database.url, { owner, limit: 1 }))
      .rejects.toThrow(`There is no account ${owner}`);
    expect(await run(`select from fairlane.owners where id = '${owner}'`))
      .toEqual([]);
  });

  it("do not tell the password of a database that is not there", async () => {
    const url = database.url.replace("postgres@", "hunter2@")
      .replace(/:\d+\//, ":1/");
    const asked = limits(url, { owner: undefined, limit: 1 });
    await expect(asked).rejects.toThrow("ECONNREFUSED");
    await expect(asked).rejects.not.toThrow("hunter2");
  });
});

describe("a table of the app that holds plans and credits", () => {
  let there: string;
  beforeAll(async () => {
    there = await signUp();
    await run(`
      create table public.profiles (
        id uuid primary key references auth.users on delete cascade,
        plan text not null default 'free', credits numeric not null default 0, nickname text
      );
      insert into public.profiles (id, plan) values ('${there}', 'pro');
      create function public.sign_up() returns trigger language plpgsql security definer set search_path = '' as $$
      begin
        insert into public.profiles (id) values (new.id);
        return null;
      end;
      $$;
      create trigger sign_up after insert on auth.users for each row execute function public.sign_up();
      ${TRIGGERS}
    `);
  });

  it("says what those may do who are there", async () => {
    expect(await slots(there)).toEqual({ task_limit: 10 });
    expect(await owner(there)).toEqual({ max_in_progress: 10, credits: "0" });
  });

  it("says it of those who come, and when it changes", async () => {
    const user = await signUp();
    expect(await owner(user)).toEqual({ max_in_progress: 2, credits: "0" });
    await run(
      `update public.profiles set plan = 'pro', credits = 7 where id = '${user}'`,
    );
    expect(await owner(user)).toEqual({ max_in_progress: 10, credits: "7" });
    const written = await run(
      `select xmin::text from fairlane.owners where id = '${user}'`,
    );
    await run(
      `update public.profiles set plan = 'pro', nickname = 'me' where id = '${user}'`,
    );
    expect(
      await run(`select xmin::text from fairlane.owners where id = '${user}'`),
    ).toEqual(written);
  });

  it("lets work wait for credits", async () => {
    const user = await signUp();
    await run(
      `insert into fairlane.tasks (task_type, user_id) values ('render', '${user}')`,
    );
    expect(await reason(user)).toBe("no_credits");
    await run(`update public.profiles set credits = 1 where id = '${user}'`);
    expect(await reason(user)).toBeNull();
  });

  it("loses an account, and the queue what was theirs", async () => {
    const user = await signUp();
    await run(`
      insert into fairlane.tasks (task_type, user_id)
      select 'render', '${user}' from generate_series(1, 150)
    `);
    await run(`delete from auth.users where id = '${user}'`);
    for (let rounds = 0; rounds < 5; rounds++) {
      await run(
        "select fairlane_core.run_job(j) from unnest(array['purge', 'settle']) as j",
      );
    }
    expect(
      await run(`
      select from fairlane.owners where id = '${user}'
      union all select from fairlane.tasks where user_id = '${user}'
    `),
    ).toEqual([]);
    expect(await owner(there)).toBeDefined();
    expect(await run("select from fairlane_core.drift()")).toEqual([]);
  });
});

/** Somebody who has an account now; their id. */
async function signUp(): Promise<string> {
  const id = randomUUID();
  await run(`insert into auth.users (id) values ('${id}')`);
  return id;
}

async function owner(id: string) {
  const [row] = await run(
    `select max_in_progress, credits from fairlane.owners where id = '${id}'`,
  );
  return row;
}

async function slots(id: string) {
  const [row] = await run(
    `select task_limit from fairlane_core.user_slots where user_id = '${id}'`,
  );
  return row;
}

/** Why nothing of theirs starts in the cloud. */
async function reason(id: string) {
  const [row] = await run(
    `select cloud_reason from fairlane_core.user_slots where user_id = '${id}'`,
  );
  return row?.["cloud_reason"];
}
