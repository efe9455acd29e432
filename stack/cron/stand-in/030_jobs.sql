-- Jobs: what migrations and operators call.

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

revoke all on function
  cron.alter_job(bigint, text, text, text, text, boolean)
from public;
