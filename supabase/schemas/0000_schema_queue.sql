-- Schema `queue` holds the rules and the derived state of the task queue. The Data API does not
-- expose it: callers use the short list of functions and the tables in `public`.
create schema queue;

comment on schema queue is
  'Rules and derived state of the task queue. Not exposed by the Data API; callers use the functions in public.';

revoke all on schema queue from public, anon, authenticated, service_role;

-- The thin public functions run as their caller and reach the definer functions in here.
grant usage on schema queue to authenticated, service_role;

-- What the platform's defaults would grant on new objects of this schema. Not what Postgres itself grants: execute on a
-- new function is for everybody, and no default of one schema can take that back. So each object revokes all and grants
-- what it means to grant; tests in supabase/tests/schema compare.
alter default privileges in schema queue revoke all on tables from public, anon, authenticated, service_role;
alter default privileges in schema queue revoke all on sequences from public, anon, authenticated, service_role;
alter default privileges in schema queue revoke all on functions from public, anon, authenticated, service_role;
