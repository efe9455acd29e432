begin;
select plan(5);

-- TEST: what is on, and what stays as an operator has said
select is((select s.fails_siblings from queue.settings as s), true, 'Queued children of a family that failed fail with it');
delete from queue.settings;
insert into queue.settings default values;
select is((select s.fails_siblings from queue.settings as s), true, 'Also when the row was lost and is made anew');
delete from queue.settings;
select is((select m.remedy from queue.missing_rows() as m), 'insert into queue.settings default values', 'As it is told to be');
insert into queue.settings default values;
update queue.settings set fails_siblings = false;
select queue.reconcile();
select is((select s.fails_siblings from queue.settings as s), false, 'Reconcile switches nothing back');
select queue.rebuild() ->> 'drift';
select is((select s.fails_siblings from queue.settings as s), false, 'Nor does what follows a restore');

select * from finish();
rollback;
