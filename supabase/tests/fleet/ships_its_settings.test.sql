begin;
select plan(2);

-- TEST: what is on
select is((select s.fails_siblings from fairlane_core.settings as s), true, 'Queued children of a family that failed fail with it');
delete from fairlane_core.settings;
insert into fairlane_core.settings default values;
select is((select s.fails_siblings from fairlane_core.settings as s), true, 'Also when the row was lost and is made anew');

select * from finish();
rollback;
