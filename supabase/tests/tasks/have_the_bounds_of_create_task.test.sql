begin;
select plan(49);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_project(:'owner') as project \gset
select tests.create_task(:'owner') as task \gset
create function pg_temp.write(p_statement text) returns text language plpgsql as $$
declare
  v_detail text;
begin
  execute p_statement;
  return 'taken';
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return case sqlstate when '23514' then 'out of bounds' else format('%s %s', substr(sqlstate, 3), v_detail) end;
end;
$$;
create temporary table bound (name text, value text, taken boolean);
insert into bound values
  ('priority', '1000', true), ('priority', '-1000', true), ('priority', '1001', false), ('priority', '-2147483648', false),
  ('task_type', repeat('x', 200), true), ('task_type', repeat('x', 201), false), ('task_type', '', false),
  ('available_at', '2000-01-01 00:00Z', true), ('available_at', '2100-12-31 23:59Z', true),
  ('available_at', '1999-12-31 23:59Z', false), ('available_at', '294276-01-01 00:00Z', false), ('available_at', 'infinity', false),
  ('created_at', '1970-01-01 00:00Z', false), ('created_at', '2101-01-01 00:00Z', false), ('updated_at', '9999-01-01 00:00Z', false),
  ('idempotency_key', repeat('k', 255), true), ('idempotency_key', repeat('k', 256), false), ('idempotency_key', '', false),
  ('attempts', '0', true), ('attempts', '2147483647', false), ('attempts', '-1', false),
  ('max_attempts', '1000', true), ('max_attempts', '1001', false), ('max_attempts', '0', false),
  ('timeout', '30 days', true), ('timeout', '178000000 years', false), ('timeout', '-1 second', false);
grant select on bound to service_role;

-- TEST: a new row
select tests.authenticate_as('service_role');
select is(
  pg_temp.write(format(
    'insert into public.tasks (project_id, task_type %s) values (%L, %s)',
    case b.name when 'task_type' then '' else ', ' || b.name end, :'project',
    case b.name when 'task_type' then quote_literal(b.value) else '''test'', ' || quote_literal(b.value) end
  )),
  case when b.taken then 'taken' else '400 INVALID_ARGUMENT' end,
  format('A new task with %s %s', b.name, left(b.value, 30))
)
from bound as b;

-- TEST: a change
select is(
  pg_temp.write(format('update public.tasks set %I = %L where id = %L', b.name, b.value, :'task')),
  case when b.taken then 'taken' else '400 INVALID_ARGUMENT' end,
  format('A change of %s to %s', b.name, left(b.value, 30))
)
from bound as b
where b.name not in ('created_at', 'idempotency_key', 'attempts') and not b.taken;
select is(
  pg_temp.write(format('update public.tasks set worker_id = repeat(''w'', 256) where id = %L', :'task')), '400 INVALID_ARGUMENT',
  'No worker has a name of 256 characters'
);
select tests.clear_authentication();

-- TEST: what a row has from before it keeps, and it can be ended and explained
alter table public.tasks disable trigger tasks_before_insert;
insert into public.tasks (project_id, user_id, task_type, priority, available_at, max_attempts, pool, takes_slot, readiness)
values (:'project', :'owner', repeat('x', 300), -2147483648, '1970-01-01', 2147483647, 'gpu', true, 'ready')
returning id as old \gset
alter table public.tasks enable trigger tasks_before_insert;
select matches(
  tests.answer(format('public.explain_task(%L, %L)', tests.service(), :'old')), '^\{.*"reason" : "user_at_limit"',
  'It is explained: it is behind all others'
);
select matches(
  tests.answer(format('public.explain_task(%L, %L)', tests.service(), :'task')), '^\{.*"status" : "Queued"',
  'So are those beside it'
);
select is(
  pg_temp.write(format('update public.tasks set error_message = ''x'' where id = %L', :'old')), 'taken', 'It can be changed'
);
select is(
  pg_temp.write(format('update public.tasks set status = ''Cancelled'' where id = %L', :'old')), 'taken', 'It can be ended'
);

-- TEST: types and settings
select is(
  pg_temp.write('insert into public.task_types (name, max_attempts) values (''endless'', 2147483647)'), 'out of bounds',
  'No type is started more than 1,000 times'
);
select is(
  pg_temp.write('insert into public.task_types (name, timeout) values (''endless'', ''178000000 years'')'), 'out of bounds',
  'No type runs for more than 30 days'
);
select is(pg_temp.write('update fairlane_core.settings set max_attempts = 1001'), 'out of bounds', 'Nor do the settings say so');
select is(pg_temp.write('update fairlane_core.settings set stale_after = ''5000 years'''), 'out of bounds', 'No setting leads out of the calendar');

-- TEST: a requeue grants starts beyond that
select tests.create_task_in('Failed', :'owner') as dead \gset
update public.task_types set max_attempts = 1000 where name = 'clip';
select matches(
  tests.answer(format('public.requeue_tasks(array[%L::uuid])', :'dead')), '"requeued" : 1', 'A dead letter comes back'
);

select * from finish();
rollback;
