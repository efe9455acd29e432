-- Why a task is queued again whose machine has said that it ends: a user's own, or one of the fleet's under a shared name.
create function queue.reason_of_goodbye(p_said text, p_attempts integer, p_worker_id text, p_is_users boolean)
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select pg_catalog.format(
    case p_said
      when 'terminated' then 'Start %s was handed back: %s %s said that it ends'
      else 'Start %s ended without a result: %s %s reported that its process is gone'
    end,
    greatest(p_attempts, 1), case when p_is_users then 'the user''s machine' else 'its machine, one of those named' end, p_worker_id
  );
$$;

comment on function queue.reason_of_goodbye(text, integer, text, boolean) is
  'The reason for this start to be over after a beat with the status p_said (terminated, crashed) of the user''s machine, or of one of the fleet''s under a name that several share.';

revoke all on function queue.reason_of_goodbye(text, integer, text, boolean) from public, anon, authenticated, service_role;
