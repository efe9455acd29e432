-- A stand-in for the extension pg_cron, for a server that does not have it: the
-- tables and functions under their own names, as far as migrations and operators
-- use them. What starts the jobs is timer.ts beside this file.

create schema cron;

create sequence cron.jobid_seq;
create table cron.job (
  jobid bigint primary key default nextval('cron.jobid_seq'),
  schedule text not null,
  command text not null,
  nodename text not null default 'localhost',
  nodeport integer not null default 0,
  database text not null default current_database(),
  username text not null default current_user,
  active boolean not null default true,
  jobname text,
  constraint jobname_username_uniq unique (jobname, username)
);
alter table cron.job enable row level security;
create policy cron_job_policy on cron.job using (username = current_user);
grant select on cron.job to public;

create sequence cron.runid_seq;
create table cron.job_run_details (
  jobid bigint,
  runid bigint primary key default nextval('cron.runid_seq'),
  job_pid integer,
  database text,
  username text,
  command text,
  status text,
  return_message text,
  start_time timestamptz,
  end_time timestamptz
);
create index on cron.job_run_details (jobid, start_time);
alter table cron.job_run_details enable row level security;
create policy cron_job_run_details_policy on cron.job_run_details
  using (username = current_user);
grant select, delete on cron.job_run_details to public;

-- The numbers that one field of a schedule means, null when it means none.
create function cron.field_numbers(field text, lowest integer, highest integer)
returns integer[]
language plpgsql immutable
as $$
declare
  item text;
  parts text[];
  first integer;
  last integer;
  step integer;
  numbers integer[] := '{}';
begin
  if field is null then
    return null;
  end if;
  foreach item in array string_to_array(field, ',') loop
    parts := regexp_match(
      item, '^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$'
    );
    first := coalesce(parts[1]::integer, lowest);
    last := coalesce(parts[2], parts[1], highest::text)::integer;
    step := coalesce(parts[3]::integer, 1);
    if parts is null or step = 0
      or first < lowest or last > highest or first > last
    then
      return null;
    end if;
    numbers := numbers || array(select generate_series(first, last, step));
  end loop;
  return numbers;
end
$$;

-- Seconds between two runs of a schedule like '20 seconds'; null for others.
create function cron.interval_seconds(schedule text) returns integer
language sql immutable
as $$
  select seconds::integer
  from substring(schedule from '^\s*(\d{1,2})\s+seconds?\s*$') as seconds
  where seconds::integer between 1 and 59
$$;

-- Whether a schedule of five fields names this minute, in UTC as pg_cron has it;
-- null when it is no such schedule.
create function cron.names_minute(schedule text, moment timestamptz)
returns boolean
language plpgsql immutable
as $$
declare
  utc timestamp := moment at time zone 'UTC';
  fields text[] := regexp_split_to_array(btrim(schedule), '\s+');
  minutes integer[] := cron.field_numbers(fields[1], 0, 59);
  hours integer[] := cron.field_numbers(fields[2], 0, 23);
  days integer[] := cron.field_numbers(fields[3], 1, 31);
  months integer[] := cron.field_numbers(fields[4], 1, 12);
  -- Sunday is both 0 and 7.
  weekdays integer[] := cron.field_numbers(fields[5], 0, 7);
  is_day boolean := extract(day from utc) = any (days);
  is_weekday boolean := extract(dow from utc) = any (weekdays)
    or extract(isodow from utc) = any (weekdays);
begin
  if cardinality(fields) <> 5
    or num_nulls(minutes, hours, days, months, weekdays) > 0
  then
    return null;
  end if;
  return extract(minute from utc) = any (minutes)
    and extract(hour from utc) = any (hours)
    and extract(month from utc) = any (months)
    -- As cron has always had it: of two days that are named, either will do.
    and case
      when fields[3] like '*%' or fields[5] like '*%' then is_day and is_weekday
      else is_day or is_weekday
    end;
end
$$;

create function cron.require_schedule(schedule text) returns void
language plpgsql immutable
as $$
begin
  if cron.interval_seconds(schedule) is null
    and cron.names_minute(schedule, now()) is null
  then
    raise exception 'invalid schedule: %', schedule
      using hint = 'The stand-in for pg_cron knows numbers, lists, ranges and '
        'steps in five fields, and ''[1-59] seconds''';
  end if;
end
$$;

-- What the functions below do for their caller, who may not write cron.job.
create function cron.save_job(
  caller name, job_name text, schedule text, command text
) returns bigint
language plpgsql
security definer -- the table is the superuser's, as with pg_cron
set search_path = ''
as $$
#variable_conflict use_variable
declare
  saved bigint;
begin
  perform cron.require_schedule(schedule);
  insert into cron.job as j (jobname, schedule, command, username)
  values (job_name, schedule, command, caller)
  on conflict on constraint jobname_username_uniq do update
  set schedule = excluded.schedule, command = excluded.command, active = true
  returning j.jobid into saved;
  return saved;
end
$$;

create function cron.find_job(caller name, job_id bigint, job_name text)
returns bigint
language plpgsql
security definer -- the table is the superuser's, as with pg_cron
set search_path = ''
as $$
#variable_conflict use_variable
declare
  found_id bigint;
begin
  select j.jobid into found_id
  from cron.job as j
    join pg_catalog.pg_roles as r on r.rolname = caller
  where (j.jobid = job_id or j.jobname = job_name)
    and (j.username = caller or r.rolsuper)
  order by j.username = caller desc
  limit 1;
  if found_id is null then
    raise exception 'could not find valid entry for job %',
      coalesce(job_id::text, '''' || job_name || '''');
  end if;
  return found_id;
end
$$;

create function cron.delete_job(caller name, job_id bigint, job_name text)
returns boolean
language plpgsql
security definer -- the table is the superuser's, as with pg_cron
set search_path = ''
as $$
declare
  found_id bigint := cron.find_job(caller, job_id, job_name);
begin
  delete from cron.job as j where j.jobid = found_id;
  return true;
end
$$;

create function cron.change_job(
  caller name, job_id bigint, schedule text, command text, active boolean
) returns void
language plpgsql
security definer -- the table is the superuser's, as with pg_cron
set search_path = ''
as $$
#variable_conflict use_variable
declare
  found_id bigint := cron.find_job(caller, job_id, null);
begin
  if schedule is not null then
    perform cron.require_schedule(schedule);
  end if;
  update cron.job as j
  set
    schedule = coalesce(schedule, j.schedule),
    command = coalesce(command, j.command),
    active = coalesce(active, j.active)
  where j.jobid = found_id;
end
$$;

create function cron.schedule(schedule text, command text) returns bigint
language sql strict
as $$
  select cron.save_job(current_user, null, schedule, command)
$$;

create function cron.schedule(job_name text, schedule text, command text)
returns bigint
language sql
as $$
  select cron.save_job(current_user, job_name, schedule, command)
$$;

create function cron.unschedule(job_id bigint) returns boolean
language sql strict
as $$
  select cron.delete_job(current_user, job_id, null)
$$;

create function cron.unschedule(job_name text) returns boolean
language sql strict
as $$
  select cron.delete_job(current_user, null, job_name)
$$;

create function cron.alter_job(
  job_id bigint,
  schedule text default null,
  command text default null,
  database text default null,
  username text default null,
  active boolean default null
) returns void
language plpgsql
as $$
begin
  if num_nonnulls(database, username) > 0 then
    raise exception
      'the stand-in for pg_cron changes neither database nor user of a job';
  end if;
  perform cron.change_job(current_user, job_id, schedule, command, active);
end
$$;

-- Records a run for every job that became due in (since, until] and returns them.
-- A job that still runs is left alone, as pg_cron does.
create function cron.begin_due_runs(since timestamptz, until timestamptz)
returns table (runid bigint, jobid bigint, username text, command text)
language sql
as $$
  insert into cron.job_run_details as d (
    jobid, database, username, command, status, start_time
  )
  select j.jobid, j.database, j.username, j.command, 'running', until
  from cron.job as j
    cross join lateral (
      select max(r.start_time) as at, bool_or(r.status = 'running') as goes_on
      from cron.job_run_details as r
      where r.jobid = j.jobid
    ) as last
  where j.active
    and last.goes_on is not true
    and case
      when cron.interval_seconds(j.schedule) is not null
        then last.at is null
          or last.at <= until - make_interval(secs => cron.interval_seconds(j.schedule))
      else date_trunc('minute', until) > since
        and cron.names_minute(j.schedule, until)
    end
  returning d.runid, d.jobid, d.username, d.command
$$;

-- Records how a run ended.
create function cron.end_run(run bigint, status text, message text) returns void
language sql
as $$
  update cron.job_run_details
  set status = $2, return_message = $3, end_time = clock_timestamp()
  where runid = $1
$$;

-- Runs that were cut off with the timer; pg_cron says the same of its own.
create function cron.end_lost_runs() returns void
language sql
as $$
  update cron.job_run_details
  set status = 'failed', return_message = 'server restarted',
    end_time = clock_timestamp()
  where status = 'running'
$$;

revoke all on function
  cron.alter_job(bigint, text, text, text, text, boolean),
  cron.begin_due_runs(timestamptz, timestamptz),
  cron.end_run(bigint, text, text),
  cron.end_lost_runs()
from public;
