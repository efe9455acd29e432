-- Why a task is queued again whose machine, a user's own, has ended.
create function queue.reason_of_goodbye(p_said text, p_attempts integer, p_worker_id text)
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select pg_catalog.format(
    case p_said
      when 'terminated' then 'Start %s was handed back: the user''s machine %s said that it ends'
      else 'Start %s ended without a result: the user''s machine %s reported that its process is gone'
    end,
    greatest(p_attempts, 1), p_worker_id
  );
$$;

comment on function queue.reason_of_goodbye(text, integer, text) is
  'The reason for this start to be over after a beat of the user''s machine with the status p_said (terminated, crashed).';

revoke all on function queue.reason_of_goodbye(text, integer, text) from public, anon, authenticated, service_role;
