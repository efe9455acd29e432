begin;
select plan(3);

-- TEST: the switch of ADR 0013
select fairlane_core.allow_anon_reads(true);
select is_empty('select * from fairlane_core.wide_grants()', 'What the switch opens to anon is not too wide');
select fairlane_core.allow_anon_deletes(true);
select is_empty('select * from fairlane_core.wide_grants()', 'Neither is its second step');
grant update on table public.tasks to anon;
select isnt_empty('select * from fairlane_core.wide_grants()', 'What it does not open is');

select * from finish();
rollback;
