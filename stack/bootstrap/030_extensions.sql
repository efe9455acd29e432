-- Extensions that only a superuser may create. When hosted, postgres may create
-- them; here they already exist, which makes "create extension if not exists" in
-- a migration a mere notice. pgTAP is left to the tests: installed, its own
-- functions would fail the lint of schema extensions.

create extension pgcrypto with schema extensions;
create extension "uuid-ossp" with schema extensions;
create extension pg_stat_statements with schema extensions;
create extension pg_cron with schema pg_catalog;

-- Only the linters need it, and npm's Postgres does not have it.
do $$
begin
  if exists (
    select 1 from pg_available_extensions where name = 'plpgsql_check'
  ) then
    create extension plpgsql_check with schema extensions;
  end if;
end
$$;

grant all on all tables in schema extensions to postgres with grant option;
grant all on all routines in schema extensions to postgres with grant option;
alter default privileges in schema extensions
  grant all on tables to postgres with grant option;
alter default privileges in schema extensions
  grant all on routines to postgres with grant option;

-- As hosted: jobs are changed through cron.schedule, alter_job and unschedule,
-- the table itself can only be read.
grant usage on schema cron to postgres with grant option;
grant all on all functions in schema cron to postgres with grant option;
grant all on all tables in schema cron to postgres with grant option;
revoke all on table cron.job from postgres;
grant select on table cron.job to postgres with grant option;
