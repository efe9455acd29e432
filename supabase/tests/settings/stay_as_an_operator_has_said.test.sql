begin;
select plan(3);

-- TEST: a row that is lost is named; what an operator has said otherwise than it ships stays
delete from fairlane_core.settings;
select is((select m.hint from fairlane_core.missing_rows() as m), 'insert into fairlane_core.settings default values', 'A row that is lost is made anew as it is told to be');
insert into fairlane_core.settings default values;
update fairlane_core.settings set fails_siblings = not fails_siblings;
select s.fails_siblings as said from fairlane_core.settings as s \gset
select fairlane_core.reconcile();
select is((select s.fails_siblings from fairlane_core.settings as s), :'said'::boolean, 'Reconcile switches nothing back');
select fairlane_core.rebuild() ->> 'drift';
select is((select s.fails_siblings from fairlane_core.settings as s), :'said'::boolean, 'Nor does what follows a restore');

select * from finish();
rollback;
