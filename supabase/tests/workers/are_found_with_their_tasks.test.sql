begin;
select plan(2);

-- TEST: no list of finished tasks is read
create temporary table plan (line text);
do $$
declare
  v_line text;
begin
  set local enable_seqscan = off;
  for v_line in execute 'explain select count(*) from public.tasks as t where t.status = ''In Progress''' loop
    insert into plan values (v_line);
  end loop;
end;
$$;
select ok(exists (select from plan where line like '%tasks_running_by_worker%'), 'Running tasks are found through their index');
truncate plan;
do $$
declare
  v_line text;
begin
  set local enable_seqscan = off;
  for v_line in execute
    'explain select generation_processed_at, updated_at from public.tasks where worker_id = ''a'' and status = ''Complete'' order by generation_processed_at desc limit 1'
  loop
    insert into plan values (v_line);
  end loop;
end;
$$;
select ok(
  exists (select from plan where line like '%tasks_by_worker%') and not exists (select from plan where line like '%Sort%'),
  'So is the last completion of a worker, which its orchestrator asks for each cycle'
);

select * from finish();
rollback;
