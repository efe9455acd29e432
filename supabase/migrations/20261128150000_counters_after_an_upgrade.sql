-- What: counters of owners whose tasks came and went while the migrations ran.
-- Why: for a moment of them the rules are there and not all that they count with; the job that mends drift comes once an
-- hour. In pieces that are committed one by one.
-- Back out: nothing to do.

set lock_timeout = '900ms';
set statement_timeout = 0;

do $$
begin
  -- Each looks at all live tasks; what is still drifting after so many is left to the job.
  for v_try in 1 .. 20 loop
    exit when queue.reconcile(1000) = 0;
    commit;
  end loop;
end;
$$;
