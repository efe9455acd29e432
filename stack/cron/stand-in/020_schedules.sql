-- Schedules: which are valid, and which moments they name.

-- The numbers that one field of a schedule means, null when it means none.
create function cron.field_numbers(field text, lowest integer, highest integer)
returns integer[]
language plpgsql immutable
as $$
declare
  item text;
  parts text[];
  first integer;
  last integer;
  step integer;
  numbers integer[] := '{}';
begin
  if field is null then
    return null;
  end if;
  foreach item in array string_to_array(field, ',') loop
    parts := regexp_match(
      item, '^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$'
    );
    first := coalesce(parts[1]::integer, lowest);
    last := coalesce(parts[2], parts[1], highest::text)::integer;
    step := coalesce(parts[3]::integer, 1);
    if parts is null or step = 0
      or first < lowest or last > highest or first > last
    then
      return null;
    end if;
    numbers := numbers || array(select generate_series(first, last, step));
  end loop;
  return numbers;
end
$$;

-- Seconds between two runs of a schedule like '20 seconds'; null for others.
create function cron.interval_seconds(schedule text) returns integer
language sql immutable
as $$
  select seconds::integer
  from substring(schedule from '^\s*(\d{1,2})\s+seconds?\s*$') as seconds
  where seconds::integer between 1 and 59
$$;

-- Whether a schedule of five fields names this minute, in UTC as pg_cron has it;
-- null when it is no such schedule.
create function cron.names_minute(schedule text, moment timestamptz)
returns boolean
language plpgsql immutable
as $$
declare
  utc timestamp := moment at time zone 'UTC';
  fields text[] := regexp_split_to_array(btrim(schedule), '\s+');
  minutes integer[] := cron.field_numbers(fields[1], 0, 59);
  hours integer[] := cron.field_numbers(fields[2], 0, 23);
  days integer[] := cron.field_numbers(fields[3], 1, 31);
  months integer[] := cron.field_numbers(fields[4], 1, 12);
  -- Sunday is both 0 and 7.
  weekdays integer[] := cron.field_numbers(fields[5], 0, 7);
  is_day boolean := extract(day from utc) = any (days);
  is_weekday boolean := extract(dow from utc) = any (weekdays)
    or extract(isodow from utc) = any (weekdays);
begin
  if cardinality(fields) <> 5
    or num_nulls(minutes, hours, days, months, weekdays) > 0
  then
    return null;
  end if;
  return extract(minute from utc) = any (minutes)
    and extract(hour from utc) = any (hours)
    and extract(month from utc) = any (months)
    -- As cron has always had it: of two days that are named, either will do.
    and case
      when fields[3] like '*%' or fields[5] like '*%' then is_day and is_weekday
      else is_day or is_weekday
    end;
end
$$;

create function cron.require_schedule(schedule text) returns void
language plpgsql immutable
as $$
begin
  if cron.interval_seconds(schedule) is null
    and cron.names_minute(schedule, now()) is null
  then
    raise exception 'invalid schedule: %', schedule
      using hint = 'The stand-in for pg_cron knows numbers, lists, ranges and '
        'steps in five fields, and ''[1-59] seconds''';
  end if;
end
$$;
