begin;
select plan(27);

-- One step beyond each bound of fairlane_core.settings, and the rule that says so.
create function pg_temp.refused(p_change text, p_rule text) returns text language plpgsql as $$
declare
  v_rule text;
begin
  execute 'update fairlane_core.settings set ' || p_change;
  return fail('No setting: ' || p_change);
exception when check_violation then
  get stacked diagnostics v_rule = constraint_name;
  return is(v_rule, 'settings_' || p_rule, 'No setting: ' || p_change);
end;
$$;

-- TEST: each bound
select pg_temp.refused(s.change, s.rule)
from (
  values
    ('is_only_row = false', 'has_one_row'),
    ('default_task_limit = -1', 'default_task_limit_is_not_negative'),
    ('gpu_tasks_per_worker = 0', 'gpu_tasks_per_worker_is_positive'),
    ('api_tasks_per_worker = 0', 'api_tasks_per_worker_is_positive'),
    ('max_attempts = 0', 'max_attempts_is_positive'),
    ('stale_after = ''0''', 'stale_after_is_positive'),
    ('max_affinity_wait = ''-1 microsecond''', 'max_affinity_wait_is_not_negative'),
    ('gpu_heartbeat_timeout = ''0''', 'gpu_heartbeat_timeout_is_positive'),
    ('max_text_length = 499', 'max_text_length_is_sane'),
    ('max_text_length = 1048577', 'max_text_length_is_sane'),
    ('retry_delay = ''-1 microsecond''', 'retry_delays_are_in_order'),
    ('retry_delay = ''2 hours'', max_retry_delay = ''1 hour''', 'retry_delays_are_in_order'),
    ('family_quiet_after = ''0''', 'family_quiet_after_is_positive'),
    ('max_queued_per_user = -1', 'max_queued_per_user_is_not_negative'),
    ('max_logs_per_call = 0', 'max_logs_per_call_is_positive'),
    ('worker_start_limit = ''0''', 'worker_start_limit_is_positive'),
    ('stuck_after = ''0''', 'stuck_after_is_positive'),
    ('max_failure_rate = -0.1', 'max_failure_rate_is_a_share'),
    ('max_failure_rate = 1.1', 'max_failure_rate_is_a_share'),
    ('max_uncounted_releases = -1', 'max_uncounted_releases_is_not_negative'),
    ('api_heartbeat_timeout = ''0''', 'heartbeat_timeouts_are_positive'),
    ('token_heartbeat_timeout = ''0''', 'heartbeat_timeouts_are_positive'),
    ('delivery_timeout = ''0''', 'heartbeat_timeouts_are_positive'),
    ('dependency_grace = ''0''', 'retentions_are_positive'),
    ('log_retention = ''0''', 'retentions_are_positive'),
    ('event_retention = ''0''', 'retentions_are_positive'),
    ('finished_task_retention = ''0''', 'retentions_are_positive')
) as s (change, rule);

select * from finish();
rollback;
