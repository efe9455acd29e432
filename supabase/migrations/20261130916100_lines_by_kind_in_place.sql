-- What: the new indexes of lines and turns take the names of the old ones; fill_in_slots goes.
-- Why: no function reads the old ones any more; two for one make every change dearer. Nor does one leave a slot's counts null.
-- Back out: create the indexes of 20261123100200 and 20261123200100 again.

set lock_timeout = '900ms';

select queue.lock_tables('public.tasks', 'queue.user_slots', 'queue.user_lines');

drop index if exists public.tasks_line;
alter index public.tasks_line_by_kind rename to tasks_line;
drop index if exists public.tasks_line_by_model;
alter index public.tasks_line_by_model_and_kind rename to tasks_line_by_model;
drop index if exists queue.user_lines_turns;
alter index queue.user_lines_turns_by_load rename to user_lines_turns;

drop trigger fill_in_slots on queue.user_slots;
drop function queue.fill_in_slots();
