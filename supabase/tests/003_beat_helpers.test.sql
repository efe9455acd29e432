-- Beats as the guardian sends them. Commits, like the helpers before it.
set client_min_messages = warning;

create or replace function tests.beat(p_worker_id text, p_logs text default '[]', p_more jsonb default '{}')
returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_body text := (
    jsonb_build_object(
      'worker_id_param', p_worker_id, 'vram_total_mb_param', 24564, 'vram_used_mb_param', 812, 'status_param', 'active'
    ) || p_more
  )::text;
  v_reply json;
begin
  set local role service_role;
  -- Put together as text: what jsonb cannot hold arrives as it would over HTTP.
  v_reply := public.func_worker_heartbeat_with_logs(
    (rtrim(v_body, '}') || ', "logs_param": ' || p_logs || '}')::json
  );
  reset role;
  return v_reply;
end;
$$;

-- A worker as it is now.
create or replace function tests.worker(p_worker_id text)
returns public.workers language sql stable set search_path = '' as $$
  select w.* from public.workers as w where w.id = p_worker_id;
$$;

select plan(1);
select has_function('tests', 'beat', 'The helpers for heartbeats are installed');
select * from finish();
