-- Another mixture: PGOPTIONS="-c tests.seed=0.7" pg_prove … (any number between -1 and 1; a failure names its seed).
begin;
select plan(21);

-- SETUP: three users, every kind of task, a seed that can be repeated
select tests.empty_queue();
select setseed(coalesce(nullif(current_setting('tests.seed', true), '')::double precision, 0.42));
select tests.create_user(p_max_in_progress => n * 2) from generate_series(1, 3) as n;
select tests.with_token(u.id) from public.users as u;
insert into public.task_types (name, run_type, category) values ('moving', 'gpu', 'processing');

create function pg_temp.any_user() returns uuid language sql as $$
  select u.id from public.users as u order by random() limit 1;
$$;
create function pg_temp.any_task(p_status text default null) returns uuid language sql as $$
  select t.id from public.tasks as t where t.status = coalesce(p_status, t.status) order by random() limit 1;
$$;
create function pg_temp.any_token() returns jsonb language sql as $$
  select jsonb_build_object('kind', 'token', 'hash', k.token_hash) from public.user_api_tokens as k order by random() limit 1;
$$;
create function pg_temp.any_of(variadic p_choices text[]) returns text language sql as $$
  select p_choices[1 + floor(random() * cardinality(p_choices))::integer];
$$;

-- One operation, as it may come in; one that is refused is an operation too.
create function pg_temp.operate(p_operation integer) returns void language plpgsql as $$
begin
  case p_operation
    when 0, 1, 2 then
      perform tests.create_task(
        pg_temp.any_user(), pg_temp.any_of('clip', 'edit_image', 'film_orchestrator', 'process', 'moving'),
        p_age => random() * interval '9 days', p_dependant_on => case when random() < 0.3 then pg_temp.any_task() end,
        p_priority => floor(random() * 3)::integer
      );
    when 3 then
      insert into public.tasks (task_type, project_id, run_type, available_at)
      select
        pg_temp.any_of('montage', 'animate', 'moving'), p.id, pg_temp.any_of('cloud', 'local'),
        case when random() < 0.5 then fairlane_core.now() + random() * interval '1 hour' end
      from public.projects as p, generate_series(1, 3);
    when 4, 5, 6 then
      perform tests.claim('worker-' || floor(random() * 6), pg_temp.any_of('gpu', 'api'));
    when 7, 8 then
      perform tests.claim('mac', pg_temp.any_of('gpu', 'api'), null, pg_temp.any_token());
    when 9, 10 then
      perform public.complete_task(tests.service(), pg_temp.any_task('In Progress'), 'https://files/a.mp4');
    when 11 then
      perform public.update_task_status(
        tests.service(), pg_temp.any_task(), pg_temp.any_of('In Progress', 'Failed', 'Cancelled', 'Queued', 'Complete'), 'a text'
      );
    when 12 then
      update public.tasks set status = pg_temp.any_of('Queued', 'Queued', 'Complete', 'Failed', 'Cancelled')
      where id in (select t.id from public.tasks as t order by random() limit 4);
    when 13 then
      delete from public.tasks where id in (pg_temp.any_task(), pg_temp.any_task());
    when 14 then
      update public.users set
        credits = floor(random() * 3),
        max_in_progress = (array[null, 0, 1, 3, 8])[1 + floor(random() * 5)::integer],
        settings = tests.switches(random() < 0.7, random() < 0.7)
      where id = pg_temp.any_user();
    when 15 then
      update public.task_types
      set run_type = pg_temp.any_of('gpu', 'api'), category = pg_temp.any_of('processing', 'orchestration'), is_active = random() < 0.8
      where name = 'moving';
    when 16 then
      update public.tasks
      set task_type = pg_temp.any_of('moving', 'process', 'clip', 'edit_image', 'film_orchestrator'),
        run_type = pg_temp.any_of('cloud', 'local'), priority = floor(random() * 5)::integer
      where id in (pg_temp.any_task(), pg_temp.any_task('Queued'));
    when 17 then
      update public.tasks set run_type = null where id = pg_temp.any_task('Queued');
    when 18 then
      perform tests.step_clock(random() * interval '30 minutes');
    when 19 then
      update fairlane_core.settings set default_task_limit = floor(random() * 6)::integer;
  end case;
  -- What it has said of itself (20_rules/session_variables.sql) must not be taken for the next one's.
  if concat(current_setting('fairlane_core.event', true), current_setting('fairlane_core.mode', true), current_setting('fairlane_core.noticed', true)) <> '' then
    raise exception 'Operation % has left a session variable set', p_operation;
  end if;
exception when sqlstate 'PT400' or sqlstate 'PT404' or sqlstate 'PT409' or sqlstate 'PT403' then
  null;
end;
$$;
create function pg_temp.operate_often(p_times integer) returns void language sql as $$
  select pg_temp.operate(floor(random() * 20)::integer) from generate_series(1, p_times);
$$;

-- TEST: after every handful the counters are what a recount says
create function pg_temp.round(p_round integer) returns text language plpgsql as $$
begin
  perform pg_temp.operate_often(20);
  return is_empty(
    'select * from tests.drift()',
    format('The counters are what a recount says after %s random operations', p_round * 20)
  );
end;
$$;
select pg_temp.round(n) from generate_series(1, 20) as n;

-- TEST: and it was a mixture
select cmp_ok((select count(distinct t.status)::integer from public.tasks as t), '>=', 4, 'Tasks in every state came of it');

select * from finish();
rollback;
