-- What the history after an event adds to the number of tasks in a final status.
create function queue.ended_since(p_status text, p_after bigint, p_up_to bigint)
returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select
      count(*) filter (where e.to_status = p_status and e.from_status is distinct from e.to_status)
      - count(*) filter (where e.from_status = p_status and e.from_status <> e.to_status)
      - count(*) filter (where e.from_status = p_status and e.from_status = e.to_status and e.reason = 'deleted')
    from public.task_events as e
    where e.id > p_after
      and e.id <= p_up_to
  );
end;
$$;

comment on function queue.ended_since(text, bigint, bigint) is
  'How many tasks more (or fewer) have this final status after the events between these two ids.';

revoke all on function queue.ended_since(text, bigint, bigint) from public, anon, authenticated, service_role;
