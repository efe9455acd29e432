begin;
select plan(13);

-- SETUP
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.authenticate_as(:'owner');
select public.create_api_token('my machine') as token \gset
select tests.clear_authentication();

-- TEST: the token itself is answered once and stored nowhere
select matches(:'token'::text, '^tq_[0-9a-f]{64}$', 'create_api_token() answers the token');
select is(
  (select k.token_hash from public.user_api_tokens as k), encode(sha256(:'token'::bytea), 'hex'), 'The table keeps its SHA-256'
);
select ok(
  (select strpos(k::text, :'token') = 0 and strpos(k::text, substr(:'token', 12)) = 0 from public.user_api_tokens as k),
  'And not the token'
);
select ok(
  (select starts_with(:'token', k.token_prefix) and length(k.token_prefix) <= 8 from public.user_api_tokens as k),
  'Only its first characters, by which the owner knows it'
);
select is((select k.label from public.user_api_tokens as k), 'my machine', 'With the label');
select is((select k.user_id from public.user_api_tokens as k), :'owner', 'As the owner''s');

-- TEST: it opens the door
select is(
  tests.answer(format('public.task_counts(%L) -> ''count''', jsonb_build_object('kind', 'token', 'hash', encode(sha256(:'token'::bytea), 'hex')))),
  '0', 'The hash of the token is accepted'
);
select is(
  tests.answer(format('public.task_counts(%L)', jsonb_build_object('kind', 'token', 'hash', :'token'::text))),
  '403 UNKNOWN_TOKEN', 'The token in place of its hash is not'
);

-- TEST: no two are alike
select tests.authenticate_as(:'owner');
select isnt(public.create_api_token(), :'token', 'A second token is another one');

-- TEST: twenty at most, of which revoked and expired ones are none
select count(public.create_api_token('n ' || n)) from generate_series(3, 20) as n;
select throws_ok('select public.create_api_token()', 'PT409', null, 'A user has at most twenty tokens');
select public.revoke_api_token((select k.id from public.user_api_tokens as k limit 1));
select lives_ok('select public.create_api_token()', 'One that was revoked makes room');

-- TEST: an end in the past is a mistake
select throws_ok($$ select public.create_api_token('old', now() - interval '1 hour') $$, 'PT400', null, 'A token cannot have expired already');

-- TEST: for signed-in users only
select tests.authenticate_as('anon');
select throws_ok('select public.create_api_token()', '42501', null, 'create_api_token() is not for anon');
select tests.clear_authentication();

select * from finish();
rollback;
