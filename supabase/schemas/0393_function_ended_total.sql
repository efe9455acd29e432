-- How many tasks have this final status now.
create function queue.ended_total(p_status text)
returns bigint
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_total queue.status_totals;
begin
  select s.* into v_total from queue.status_totals as s where s.status = p_status;
  return coalesce(v_total.task_count, 0)
    + queue.ended_since(p_status, coalesce(v_total.last_event_id, 0), 9223372036854775807);
end;
$$;

comment on function queue.ended_total(text) is
  'How many tasks are Complete, Failed or Cancelled: what was counted so far and what the history adds since.';

revoke all on function queue.ended_total(text) from public, anon, authenticated, service_role;
