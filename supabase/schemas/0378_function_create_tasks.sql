-- Enqueues tasks, all of them or none (docs/architecture.md, "Enqueuing"). What was enqueued before, under the same id
-- or key, is answered as it is now: the reply to the first request may have been lost.
create function queue.create_tasks(p_caller jsonb, p_tasks jsonb)
returns json
language plpgsql
volatile
security definer -- the queue's own way of enqueuing
set search_path = ''
set plan_cache_mode = force_generic_plan -- planning anew costs more than the work
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_caller queue.caller := queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  v_requests queue.task_request[];
  v_new queue.task_request[] := array[]::queue.task_request[];
  v_request queue.task_request;
  v_task public.tasks;
  v_replies json[] := array[]::json[];
  v_created uuid[] := array[]::uuid[];
  -- Ids of this batch, and the tasks that have been there under the same key.
  v_sent uuid[] := array[]::uuid[];
  v_known uuid[] := array[]::uuid[];
begin
  if jsonb_typeof(p_tasks) is distinct from 'array' or jsonb_array_length(p_tasks) not between 1 and 1000 then
    perform queue.refuse(400, 'INVALID_ARGUMENT', 'A batch must hold 1 to 1000 tasks', 'Send several batches');
  end if;

  perform queue.open_tables(false);

  select array_agg(queue.read_task_request(v_caller, b.body) order by b.place)
  into v_requests
  from jsonb_array_elements(p_tasks) with ordinality as b (body, place);

  perform queue.lock_enqueuing(v_requests);

  foreach v_request in array v_requests loop
    v_task := queue.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform queue.refuse_homeless_task(v_request);
      perform queue.refuse_raised_limits(v_caller, v_request);
      v_new := v_new || v_request;
    elsif v_task.id <> v_request.task_id then
      v_sent := v_sent || v_request.task_id;
      v_known := v_known || v_task.id;
    end if;
  end loop;

  if cardinality(v_new) > 0 then
    if cardinality(v_sent) > 0 then
      for v_place in 1..cardinality(v_new) loop
        v_new[v_place].depends_on := array(
          select coalesce(v_known[array_position(v_sent, d.id)], d.id)
          from unnest(v_new[v_place].depends_on) with ordinality as d (id, place)
          order by d.place
        );
      end loop;
    end if;

    perform queue.say(queue.caller_name(v_caller));
    v_created := queue.insert_requested_tasks(v_new);
    perform queue.say(null);
  end if;

  foreach v_request in array v_requests loop
    v_task := queue.task_for_request(v_caller, v_request);
    if v_task.id is null then
      perform queue.refuse(
        503, 'UNAVAILABLE', pg_catalog.format('Task %s came and went at this moment', v_request.task_id), 'Repeat the same request'
      );
    end if;
    v_replies := v_replies || queue.created_reply(v_task, v_task.id = any (v_created));
  end loop;
  return array_to_json(v_replies);
end;
$$;

comment on function queue.create_tasks(jsonb, jsonb) is 'See public.create_tasks.';

revoke all on function queue.create_tasks(jsonb, jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.create_tasks(jsonb, jsonb) to service_role;
