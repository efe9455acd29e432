-- The pools of work, each with workers of its own: gpu (a type without a row, too), api, and the one of a service that
-- runs exactly two types. Whoever adds one adds it to the two checks that name them as well (task_types, settings) and to
-- shared/claim.ts; tests hold them against this list.
create function queue.pools()
returns text[]
language sql
immutable
security invoker
set search_path = ''
as $$
  select array['gpu', 'api', 'banodoco'];
$$;

comment on function queue.pools() is 'The pools of work that a type of task may belong to and a worker may claim from.';

revoke all on function queue.pools() from public, anon, authenticated, service_role;
