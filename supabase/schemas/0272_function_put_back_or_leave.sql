-- What a last beat gives back. It is tried once: what somebody's open transaction holds, a task or its owner, is not waited
-- for, and left to the next rescue.
create function queue.put_back_or_leave(p_lost queue.lost_task[], p_actor text)
returns uuid[]
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform queue.say(p_actor);
  perform queue.put_back(p_lost);
  perform queue.say(null);
  return array(
    select t.lease_token
    from public.tasks as t
      join unnest(p_lost) as l on l.task_id = t.id and l.lease_token = t.lease_token
    where t.status = 'In Progress'
  );
end;
$$;

comment on function queue.put_back_or_leave(queue.lost_task[], text) is
  'Puts these tasks back as p_actor''s doing, and returns the starts (tasks.lease_token) that somebody holds, for queue.noted_beats.';

revoke all on function queue.put_back_or_leave(queue.lost_task[], text) from public, anon, authenticated, service_role;
