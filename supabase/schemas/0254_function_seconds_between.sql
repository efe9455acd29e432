-- Ages in the words of the history.
create function queue.seconds_between(p_from timestamptz, p_to timestamptz)
returns text
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when isfinite(p_from) and isfinite(p_to) then pg_catalog.round(extract(epoch from p_to - p_from))::bigint::text
    else 'uncounted'
  end;
end;
$$;

comment on function queue.seconds_between(timestamptz, timestamptz) is
  'Whole seconds from one time to the other, as text; "uncounted" when one of them is not known.';

revoke all on function queue.seconds_between(timestamptz, timestamptz) from public, anon, authenticated, service_role;
