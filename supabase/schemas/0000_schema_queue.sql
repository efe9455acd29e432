-- Schema `queue` holds the rules and the derived state of the task queue. The Data API does not
-- expose it: callers use the short list of functions and the tables in `public`.
create schema queue;

comment on schema queue is
  'Rules and derived state of the task queue. Not exposed by the Data API; callers use the functions in public.';

revoke all on schema queue from public, anon, authenticated, service_role;

-- The thin public functions run as their caller and reach the definer functions in here.
grant usage on schema queue to authenticated, service_role;

-- Whatever is created later starts closed; each object grants what it means to grant.
alter default privileges in schema queue revoke all on tables from public, anon, authenticated, service_role;
alter default privileges in schema queue revoke all on sequences from public, anon, authenticated, service_role;
alter default privileges in schema queue revoke all on functions from public, anon, authenticated, service_role;
