begin;
select plan(5);

-- TEST: what is on, and what stays as an operator has said
select is((select s.fails_siblings from fairlane_core.settings as s), true, 'Queued children of a family that failed fail with it');
delete from fairlane_core.settings;
insert into fairlane_core.settings default values;
select is((select s.fails_siblings from fairlane_core.settings as s), true, 'Also when the row was lost and is made anew');
delete from fairlane_core.settings;
select is((select m.remedy from fairlane_core.missing_rows() as m), 'insert into fairlane_core.settings default values', 'As it is told to be');
insert into fairlane_core.settings default values;
update fairlane_core.settings set fails_siblings = false;
select fairlane_core.reconcile();
select is((select s.fails_siblings from fairlane_core.settings as s), false, 'Reconcile switches nothing back');
select fairlane_core.rebuild() ->> 'drift';
select is((select s.fails_siblings from fairlane_core.settings as s), false, 'Nor does what follows a restore');

select * from finish();
rollback;
