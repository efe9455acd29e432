-- What would have to change for a task to run, in words.
create function queue.remedy(p_reason text)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case p_reason
    when 'ready' then 'Nothing: it runs when its owner''s turn comes and a worker claims'
    when 'no_owner' then 'Give it a project: it has no owner'
    when 'no_run_type' then 'An operator sets run_type to cloud or local, or cancels it: it is from before that column existed'
    when 'type_inactive' then 'Switch its type on in task_types'
    when 'not_yet' then 'Wait until available_at'
    when 'dependency_pending' then 'The tasks it waits for have to complete'
    when 'dependency_lost' then 'It can never run: a task it waits for failed, was cancelled or is missing'
    when 'pool_paused' then 'An operator takes its pool out of queue.settings.paused_pools'
    when 'no_credits' then 'Its owner needs credits'
    when 'cloud_disabled' then 'Its owner switches settings.ui.generationMethods.inCloud on'
    when 'local_disabled' then 'Its owner switches settings.ui.generationMethods.onComputer on'
    when 'user_at_limit' then 'One of its owner''s running tasks has to end (and, if others ended it, its worker let go), or the limit be raised'
    when 'stale' then 'Enqueue it again: it could have run for longer than queue.settings.stale_after and was never started'
    when 'token_ended' then 'Nothing: the token of its machine was revoked or has expired, so it is put back within a minute'
    when 'In Progress' then 'Nothing: it is running'
    else 'Nothing: it has ended'
  end;
end;
$$;

comment on function queue.remedy(text) is
  'What would have to change for a task with this reason (or ready, or this status) to run.';

revoke all on function queue.remedy(text) from public, anon, authenticated, service_role;
