begin;
select plan(4);

-- TEST: what the migration makes
select is(
  (select b.public from storage.buckets as b where b.id = 'image_uploads'), true, 'The bucket of results is there, and public'
);
select is(
  (select b.allowed_mime_types && '{image/svg+xml,text/html}' from storage.buckets as b where b.id = 'image_uploads'), false,
  'It takes nothing that carries scripts'
);

-- TEST: row security lets nobody write or list but the service
select tests.authenticate_as('anon');
select throws_ok(
  $$ insert into storage.objects (bucket_id, name) values ('image_uploads', 'a.png') $$, '42501', null, 'anon stores nothing'
);
select is_empty('select name from storage.objects', 'anon sees no list');
select tests.clear_authentication();

select * from finish();
rollback;
