begin;
select plan(10);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_task(:'owner') as task \gset
create function pg_temp.explain(p_caller jsonb, p_task_id uuid) returns text language sql as $$
  select tests.answer(format('public.explain_task(%L, %L) ->> ''task_id''', p_caller, p_task_id));
$$;

-- TEST: who may ask
select is(pg_temp.explain(tests.service(), :'task'), :'task', 'The service may ask about any task');
select is(pg_temp.explain(tests.signed_in(:'owner'), :'task'), :'task', 'The owner may ask');
select is(pg_temp.explain(tests.with_token(:'owner'), :'task'), :'task', 'The owner''s machine may ask');

-- TEST: a foreign task is answered like one that does not exist, to the word
create function pg_temp.refusal(p_caller jsonb, p_task_id uuid) returns text language plpgsql as $$
declare
  v_words text;
begin
  perform public.explain_task(p_caller, p_task_id);
  return 'no refusal';
exception when sqlstate 'PT404' then
  get stacked diagnostics v_words = message_text;
  return replace(v_words, p_task_id::text, '<id>');
end;
$$;
select is(pg_temp.explain(tests.signed_in(:'stranger'), :'task'), '404 TASK_NOT_FOUND', 'A stranger finds no such task');
select is(pg_temp.explain(tests.with_token(:'stranger'), :'task'), '404 TASK_NOT_FOUND', 'Nor does a stranger''s machine');
select is(
  pg_temp.refusal(tests.signed_in(:'stranger'), :'task'), pg_temp.refusal(tests.signed_in(:'stranger'), gen_random_uuid()),
  'In the words in which an unknown task is refused'
);
insert into public.tasks (task_type, project_id) values ('clip', null) returning id as orphan \gset
select is(pg_temp.explain(tests.signed_in(:'owner'), :'orphan'), '404 TASK_NOT_FOUND', 'A task of nobody is nobody''s');

-- TEST: what only the fleet may not run
update public.users set credits = 0 where id = :'owner';
select tests.with_token(:'owner') as token \gset
select matches(
  public.explain_task(tests.signed_in(:'owner'), :'task') ->> 'remedy', 'own machine can run it now$',
  'The owner hears that their own machine can run what the fleet may not'
);
select is(public.explain_task(:'token', :'task') -> 'claimable' #>> '{}', 'true', 'That machine hears that it can');
select doesnt_match(public.explain_task(tests.service(), :'task') ->> 'remedy', 'own machine', 'The service does not');

select * from finish();
rollback;
