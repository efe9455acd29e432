-- How long a number is once it is written out, found out without writing it: 1e131071 takes eight characters to send and
-- 131,072 to write, and one request may hold 90,000 of them. Exact up to 400 characters; above, at least the length that
-- is given and less than five times as much.
create function queue.number_length(p_number numeric)
returns integer
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_size numeric := abs(p_number);
  v_scale integer := scale(p_number);
begin
  return case
      when v_size < 1e400 then length(trunc(v_size)::text)
      when v_size < 1e1600 then 401
      when v_size < 1e6400 then 1601
      when v_size < 1e25600 then 6401
      when v_size < 1e102400 then 25601
      else 102401
    end + case when v_scale > 0 then v_scale + 1 else 0 end + case when p_number < 0 then 1 else 0 end;
end;
$$;

comment on function queue.number_length(numeric) is
  'How many characters the number takes, written out: exact up to 400, above that no more than there are.';

revoke all on function queue.number_length(numeric) from public, anon, authenticated, service_role;
