-- Whether an orchestrator has enqueued all of its children: it said so in its present start, or as many parts are there
-- as its params announce. Before that nobody judges it by the children it has.
create function queue.is_enqueued(p_family queue.orchestrations, p_task public.tasks, p_is_quiet boolean default false)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_details jsonb := p_task.params -> 'orchestrator_details';
  v_segments text := substring(v_details ->> 'num_new_segments_to_generate' from '^[0-9]{1,9}$');
begin
  if p_family.open_count + p_family.complete_count + p_family.failed_count + p_family.cancelled_count = 0 then
    return false;
  elsif p_family.enqueued_attempt = p_task.attempts then
    return true;
  elsif v_segments is not null then
    -- Segments are stitched in the end, most of the time.
    return p_family.segment_count >= v_segments::integer and (p_family.stitch_count > 0 or p_is_quiet);
  elsif jsonb_typeof(v_details -> 'clip_list') = 'array' then
    return p_family.join_count >= greatest(jsonb_array_length(v_details -> 'clip_list') - 1, 1);
  end if;
  return false;
end;
$$;

comment on function queue.is_enqueued(queue.orchestrations, public.tasks, boolean) is
  'Whether this orchestrator has enqueued everything: reported in its present start, or as many segments and a stitch (not needed when the family is quiet), or joins, as its params announce.';

revoke all on function queue.is_enqueued(queue.orchestrations, public.tasks, boolean) from public, anon, authenticated, service_role;
