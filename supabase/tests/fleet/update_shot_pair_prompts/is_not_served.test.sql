begin;
select plan(3);

-- SETUP
select tests.create_user() as owner \gset
create function pg_temp.answer_to(p_caller jsonb) returns text language sql as $$
  select tests.answer(format('public.update_shot_pair_prompts(%L)', p_caller));
$$;

-- TEST: callers are told, once it is known who they are
select is(pg_temp.answer_to(tests.service()), '501 NOT_SUPPORTED', 'The service is told that shots are not kept here');
select is(pg_temp.answer_to(tests.with_token(:'owner')), '501 NOT_SUPPORTED', 'So is a token');
select is(pg_temp.answer_to('{"kind": "token", "hash": "nobody"}'), '403 UNKNOWN_TOKEN', 'An unknown token is refused first');

select * from finish();
rollback;
