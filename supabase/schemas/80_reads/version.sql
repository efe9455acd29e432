-- Which version of the queue this database has.

-- The version of package.json, as `npm run migrations` writes it here. Functions of a younger version refuse to work
-- with this schema (shared/version.ts).
create function fairlane_core.version()
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select '0.1.0';
$$;
