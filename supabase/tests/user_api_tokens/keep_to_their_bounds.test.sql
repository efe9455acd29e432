begin;
select plan(4);

-- SETUP
select tests.create_user() as owner \gset
select tests.authenticate_as(:'owner');

-- TEST: labels and times
select is(length(public.create_api_token(repeat('l', 255))), 67, 'A label has up to 255 characters');
select throws_ok($$ select public.create_api_token(repeat('l', 256)) $$, 'PT400', null, 'And no more');
select throws_ok($$ select public.create_api_token('x', 'infinity') $$, 'PT400', null, 'A token ends at a time of the calendar');
select throws_ok($$ select public.create_api_token('x', '2101-01-01') $$, 'PT400', null, 'Of this century');

select * from finish();
rollback;
