-- What a log line carries beside its message. Always an object, whatever came.
create function queue.log_metadata(p_metadata json)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
declare
  v_metadata jsonb;
begin
  v_metadata := p_metadata::jsonb;
  return case
    when jsonb_typeof(v_metadata) = 'null' then '{}'
    -- Short as it was sent, and endless once its numbers are written out.
    when queue.written_length(v_metadata, 1048576) is null then jsonb_build_object('metadata', p_metadata::text)
    when jsonb_typeof(v_metadata) = 'object' then v_metadata
    else jsonb_build_object('metadata', v_metadata)
  end;
exception
  -- json takes numbers of any size, jsonb does not.
  when numeric_value_out_of_range then
    return jsonb_build_object('metadata', p_metadata::text);
end;
$$;

comment on function queue.log_metadata(json) is
  'The metadata of a log line as an object; what is none, or cannot be stored as one, is under the key metadata.';

revoke all on function queue.log_metadata(json) from public, anon, authenticated, service_role;
