/** A project that somebody has, in the shape that the queue must fit into. */
export interface AdoptingProject {
  readonly name: string;
  /** Files of it, by their path. */
  readonly files: Readonly<Record<string, string>>;
}

const CONFIG = `# Made by supabase init; edited since.
project_id = "app"

[api]
schemas = ["public"]

[auth]
site_url = "http://127.0.0.1:3000" # the app
`;

const HELLO = `
[functions.hello]
verify_jwt = true
`;

const MIGRATIONS = "supabase/migrations";

/** What the six have in common with projects that people really have. */
export const PROJECTS: readonly AdoptingProject[] = [
  { name: "an empty folder", files: {} },
  {
    name: "a to-do app of a tutorial",
    files: {
      "supabase/config.toml": CONFIG + HELLO,
      "supabase/functions/_shared/cors.ts":
        'export const corsHeaders = { "Access-Control-Allow-Origin": "*" };\n',
      "supabase/functions/hello/index.ts":
        'import "../_shared/cors.ts";\nDeno.serve(() => new Response("hello"));\n',
      [`${MIGRATIONS}/20250301090000_todos.sql`]: `
        create table public.tasks (id bigint generated always as identity primary key, title text not null, done boolean not null default false);
        alter table public.tasks enable row level security;
        create policy "Anybody reads" on public.tasks for select using (true);
      `,
    },
  },
  {
    name: "a shop with subscriptions",
    files: {
      // No new line at its end, and lines as Windows ends them.
      "supabase/config.toml": CONFIG.replaceAll("\n", "\r\n").trimEnd(),
      [`${MIGRATIONS}/20240101000000_init.sql`]: `
        create type public.subscription_status as enum ('trialing', 'active', 'past_due');
        create table public.users (id uuid primary key references auth.users, full_name text, billing_address jsonb);
        create table public.products (id text primary key, active boolean, name text);
        create table public.prices (id text primary key, product_id text references public.products, unit_amount bigint);
        alter table public.users enable row level security;
        create policy "Can view own user data." on public.users for select using (auth.uid() = id);
        create function public.handle_new_user() returns trigger language plpgsql security definer as $$
        begin
          insert into public.users (id) values (new.id);
          return new;
        end;
        $$;
        create trigger on_auth_user_created after insert on auth.users for each row execute procedure public.handle_new_user();
      `,
    },
  },
  {
    name: "an app that makes pictures",
    files: {
      "supabase/config.toml": CONFIG,
      [`${MIGRATIONS}/20250701120000_generations.sql`]: `
        create table public.generations (id bigint generated always as identity primary key, prompt text, url text);
        create table public.users (id uuid primary key, credits integer not null default 10);
        create table public.workers (id text primary key, busy boolean);
        alter default privileges in schema public revoke execute on functions from anon;
        grant select on public.generations to anon;
      `,
    },
  },
  {
    name: "an app with functions of the queue's names",
    files: {
      "supabase/config.toml": CONFIG,
      "supabase/functions/health/index.ts":
        'Deno.serve(() => new Response("fine"));\n',
      [`${MIGRATIONS}/20250801000000_functions.sql`]: `
        create function public.health() returns text language sql as $$ select 'fine' $$;
        create function public.complete_task(task bigint) returns bigint language sql as $$ select task $$;
        create schema queue;
        create table queue.jobs (id bigint primary key);
      `,
    },
  },
  {
    name: "an app with forty migrations, one of next year",
    files: {
      "supabase/config.toml": CONFIG,
      ...Object.fromEntries(
        Array.from({ length: 39 }, (_, index) => {
          const week = String(index + 10);
          return [
            `${MIGRATIONS}/202501${week}000000_week_${week}.sql`,
            `create table public.of_week_${week} (id bigint primary key);`,
          ];
        }),
      ),
      [`${MIGRATIONS}/20990101000000_next_year.sql`]:
        "create table public.of_next_year (id bigint primary key);",
    },
  },
];
