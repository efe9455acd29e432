-- Deployed orchestrators whose params leave nothing to generate say so and end; they report no result. Older ones put
-- their log's mark in front.
create function queue.has_nothing_to_enqueue(p_report text)
returns boolean
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return coalesce(p_report ~ '^(\[WARNING Task ID: [^]]{1,100}\] )?No new segments to generate', false);
end;
$$;

comment on function queue.has_nothing_to_enqueue(text) is
  'Whether an orchestrator reports with this text that there is nothing to enqueue: it begins "No new segments to generate".';

revoke all on function queue.has_nothing_to_enqueue(text) from public, anon, authenticated, service_role;
