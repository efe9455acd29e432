-- The finished segments of a run, as functions ask it.
create function public.get_completed_segments(
  p_caller jsonb, p_run_id text, p_project_id uuid default null, p_after_index integer default null
)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.get_completed_segments(p_caller, p_run_id, p_project_id, p_after_index);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.get_completed_segments(jsonb, text, uuid, integer) is
  '[{segment_index, output_location}] of the Complete travel_segments whose params.orchestrator_run_id is p_run_id as text, in order, one per index, the newest; at most 10000, those above p_after_index. Tokens and users: their own. Errors: 403. service_role only.';

revoke all on function public.get_completed_segments(jsonb, text, uuid, integer) from public, anon, authenticated, service_role;
grant execute on function public.get_completed_segments(jsonb, text, uuid, integer) to service_role;
