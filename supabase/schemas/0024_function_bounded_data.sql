-- What a worker reports beside its words is never a reason to refuse the report: what is too large to be kept as data is
-- kept as text, as far as it goes.
create function queue.bounded_data(p_data jsonb)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_fault text := queue.json_fault(p_data);
  -- Many rows of one statement may bring such data, so a text that is out of all proportion to what was sent is not
  -- written at all.
  v_most integer := least(16777216, 65536 + 8 * pg_column_size(p_data || jsonb_build_object())::bigint);
begin
  if v_fault is null then
    return p_data;
  end if;
  return jsonb_build_object(
    'not_kept', v_fault,
    'result_data', case when queue.written_length(p_data, v_most) is not null then queue.cut_ends(p_data::text) end
  );
end;
$$;

comment on function queue.bounded_data(jsonb) is
  'The data; of what is out of the bounds of queue.json_fault the reason (not_kept) and both ends of its text, if that can be written at all.';

revoke all on function queue.bounded_data(jsonb) from public, anon, authenticated, service_role;
