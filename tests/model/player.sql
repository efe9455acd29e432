-- Plays a run inside one call, so that sixty commands cost one round trip. All
-- of it lives in the session's temporary schema and is gone with the session.

-- The leases that claims were answered with, the latest last.
create temporary table leases (n bigint generated always as identity, task_id uuid, token uuid);
grant select, insert on pg_temp.leases to service_role;

-- A claim; answers with the task's id.
create function pg_temp.claim(p_caller jsonb, p_worker text, p_pool text, p_claim_id text) returns text
language plpgsql as $$
declare
  v_reply json := public.claim_next_task(p_caller, p_worker, p_pool, p_claim_id => p_claim_id);
begin
  insert into pg_temp.leases (task_id, token) values ((v_reply ->> 'task_id')::uuid, (v_reply ->> 'lease_token')::uuid);
  return v_reply ->> 'task_id';
end;
$$;

-- The queue's time, so many seconds from now; clients have a clock of their own.
create function pg_temp.in_seconds(p_seconds integer) returns timestamptz
language sql security definer as $$
  select fairlane_core.now() + make_interval(secs => p_seconds)
$$;

-- One of the tasks in these states, counted round and round; nobody's when there are none.
create function pg_temp.nth(p_place integer, variadic p_statuses text[]) returns uuid
language plpgsql stable as $$
declare
  v_ids uuid[] := array(select t.id from public.tasks as t where t.status = any (p_statuses) order by t.id);
begin
  return coalesce(v_ids[1 + p_place % greatest(cardinality(v_ids), 1)], '00000001-0000-4000-8000-00000000ffff');
end;
$$;

-- A lease of a task: the one it has now, one that it had before, or nobody's.
create function pg_temp.lease(p_task uuid, p_which text) returns uuid
language plpgsql as $$
declare
  v_current uuid := (select t.lease_token from public.tasks as t where t.id = p_task);
begin
  return coalesce(
    case p_which
      when 'current' then v_current
      when 'former' then (
        select l.token from pg_temp.leases as l
        where l.task_id = p_task and l.token is distinct from v_current
        order by l.n desc limit 1
      )
    end,
    gen_random_uuid()
  );
end;
$$;

-- What can be seen of every task: id, status, attempts, worker, output, generations, readiness. The worker by the name it
-- sends, where the token that stands before it is that of the holder.
create function pg_temp.see() returns text
language plpgsql as $$
begin
  return (
    select coalesce(json_agg(json_build_array(
      t.id, t.status, t.attempts,
      case
        when t.token_id is null then t.worker_id
        when starts_with(t.worker_id, 'token:' || t.token_id || ':') then fairlane_core.sent_name(t.worker_id)
        else 'without its token: ' || t.worker_id
      end,
      t.output_location,
      (select coalesce(json_agg(g.location), '[]') from public.generations as g where g.task_id = t.id),
      t.readiness
    ) order by t.id), '[]')
    from public.tasks as t
  );
end;
$$;

-- What one caller is told, and every number that is not what a recount says.
create function pg_temp.count(p_caller jsonb, p_pool text) returns text
language plpgsql as $$
begin
  return json_build_object(
    'told', public.task_counts(p_caller, p_pool),
    'drift', (select coalesce(json_agg(d), '[]') from fairlane_core.drift() as d),
    'families', (
      select coalesce(json_agg(o), '[]')
      from fairlane_core.orchestrations as o
        cross join fairlane_core.recount_families(array[o.orchestrator_id]) as r
      where (o.open_count, o.complete_count, o.failed_count, o.cancelled_count, o.part_count, o.final_count, o.ended_as)
        is distinct from (r.open_count, r.complete_count, r.failed_count, r.cancelled_count, r.part_count, r.final_count, r.ended_as)
    )
  );
end;
$$;

-- Plays statements [{sql, role, counts: {caller, pool}}] one after the other; per statement its answer and what there is to see then.
create function pg_temp.play(p_statements jsonb) returns text
language plpgsql as $$
declare
  v_statement jsonb;
  v_answer text;
  v_detail text;
  v_seen text[] := array[]::text[];
begin
  for v_statement in select s.value from jsonb_array_elements(p_statements) as s loop
    begin
      perform set_config('role', v_statement ->> 'role', true);
      execute v_statement ->> 'sql' into v_answer;
    exception when others then
      get stacked diagnostics v_detail = pg_exception_detail;
      -- PT409 and LEASE_LOST, or what should never be seen.
      v_answer := case when sqlstate like 'PT%' then substr(sqlstate, 3) || ' ' || v_detail else sqlstate || ' ' || sqlerrm end;
    end;
    perform set_config('role', 'postgres', true);
    -- What waits for a child that went with its family follows in its turn, here at once.
    perform fairlane_core.settle_deferred() from fairlane_core.deferred_work as w limit 1;
    -- What a transaction of its own would have forgotten.
    perform set_config(s.name, '', true)
    from unnest(array['actor', 'reason', 'details', 'counts_itself', 'forgives_starts', 'rescues', 'let_go', 'bills']) as n (name)
      cross join lateral (select 'queue.' || n.name as name) as s
    where current_setting(s.name, true) <> '';
    v_seen := v_seen || format(
      '{"answer":%s,"tasks":%s,"counts":%s}', coalesce(to_json(v_answer)::text, 'null'), pg_temp.see(),
      coalesce(
        case when v_statement ? 'counts' then pg_temp.count(v_statement #> '{counts,caller}', v_statement #>> '{counts,pool}') end,
        'null'
      )
    );
  end loop;
  return '[' || array_to_string(v_seen, ',') || ']';
end;
$$;
