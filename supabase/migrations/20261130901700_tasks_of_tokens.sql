-- What: tasks that run with a token get the name under which claims look for them now, token:<token id>:<name>.
-- Why: a worker of the fleet that has the same name must not find them; after the functions, which write that name.
-- Back out: update public.tasks set worker_id = queue.sent_name(worker_id) where status = 'In Progress' and token_id is not null;

set lock_timeout = '900ms';

update public.tasks as t
set worker_id = 'token:' || t.token_id || ':' || t.worker_id
from (
  select r.id
  from public.tasks as r
  where r.status = 'In Progress'
    and r.token_id is not null
    and not starts_with(r.worker_id, 'token:')
  order by r.id
  for no key update
) as r
where t.id = r.id;
