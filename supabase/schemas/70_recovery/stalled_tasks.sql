-- Lost tasks, and the reasons that the history gives.

-- Running tasks that nobody can be expected to finish, and why. Every kind of holder has its own sign of life: the
-- fleet's gpu workers send heartbeats; api workers and users' own machines only report. Under a shared name only what
-- names a task is a sign for it. NULL counts as the longest silence.
-- Times are corrected by fairlane_core.clock_watch: the database's clock may have jumped.
-- The causes: the worker's row says it has ended, or a user's machine said so while somebody held the task
-- (fairlane_core.noted_beats); the worker is silent (gpu_heartbeat_timeout; api_heartbeat_timeout;
-- token_heartbeat_timeout, or token_beat_timeout once it has sent a heartbeat); no worker; a token that is no longer
-- accepted; the timeout of the task or its type; never delivered (delivery_timeout); a failure reported by an unknown
-- sender and no sign since (delivery_timeout); under a shared name not named by any machine (stuck_after;
-- token_beat_timeout once one of them has ended); an orchestrator without children that was reported or left by its
-- worker, and then not heard of (family_quiet_after). Orchestrators that only wait for their children are not lost.
create function fairlane_core.stalled_tasks()
returns setof fairlane_core.lost_task
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_now timestamptz := fairlane_core.now();
  v_settings fairlane_core.settings;
  -- After a start of the database nobody has had time to send a heartbeat.
  v_may_judge_silence boolean;
  v_trusted_since timestamptz;
begin
  select s.* into v_settings from fairlane_core.settings as s;
  v_may_judge_silence := v_now < pg_postmaster_start_time() -- the clock was set back since; then v_trusted_since decides
    or v_now - pg_postmaster_start_time() >= v_settings.gpu_heartbeat_timeout;
  v_trusted_since := (select least(w.trusted_since, v_now) from fairlane_core.clock_watch as w);

  return query
  with running as (
    select
      t as task, t.id, t.lease_token, t.reported_at, t.worker_id, t.token_id, t.pool, t.attempts, t.delivered_at, t.is_beaten_for,
      coalesce(t.timeout, y.timeout) as timeout,
      case
        when t.token_id is not null or is_shared then (
          select b.status
          from fairlane_core.noted_beats as b
          where b.worker_id = t.worker_id
            and t.lease_token = any (b.leases)
          limit 1
        )
      end as said,
      is_shared, w as worker,
      left_by.said as left_as, left_by.at as left_at,
      w.status as worker_status, seen.last_heartbeat, w.metadata ->> 'error_reason' as error_reason,
      t.token_id is not null and (k.id is null or k.revoked_at is not null or k.expires_at <= v_now) as is_shut_out,
      -- It has freed its orchestration slot, and no child exists that could end it.
      not t.takes_slot and fairlane_core.is_handed_over(t.id, t.lease_token)
        and coalesce(o.open_count + o.complete_count + o.failed_count + o.cancelled_count, 0) = 0 as is_childless,
      coalesce(o.enqueued_attempt = t.attempts, false) as has_reported, o.changed_at as family_changed_at, t.output_location,
      seen.started_at,
      greatest(seen.started_at, v_trusted_since) as runs_since,
      greatest(seen.started_at, seen.reported_at, seen.seen_at, v_trusted_since) as last_report,
      greatest(seen.started_at, seen.reported_at, seen.last_heartbeat, v_trusted_since) as last_sign,
      greatest(seen.started_at, seen.reported_at, seen.seen_at, case when not is_shared then seen.last_heartbeat end, v_trusted_since)
        as last_own_sign
    from fairlane.tasks as t
      left join fairlane.workers as w on w.id = t.worker_id and t.token_id is null
      left join fairlane.task_types as y on y.name = t.task_type
      left join fairlane.user_api_tokens as k on k.id = t.token_id
      left join fairlane_core.orchestrations as o on o.orchestrator_id = t.id and not t.takes_slot
      cross join lateral (
        select coalesce(fairlane_core.sent_name(t.worker_id) = any (v_settings.shared_worker_ids), false) as is_shared
      ) as named
      -- A machine under that name ended, and nobody has named the task since.
      left join lateral (
        select case when bool_or(b.status = 'terminated') then 'terminated' else 'crashed' end as said, min(b.beat_at) as at
        from fairlane_core.noted_beats as b
        where named.is_shared
          and b.worker_id = t.worker_id
          and t.lease_token = any (b.doubtful_leases)
          and b.beat_at > coalesce(greatest(t.reported_at, t.seen_at), '-infinity')
        having count(*) > 0
      ) as left_by on true
      cross join lateral (
        select
          fairlane_core.seen_at(coalesce(t.claimed_at, t.generation_started_at, t.updated_at, t.created_at, '-infinity'), v_now) as started_at,
          fairlane_core.seen_at(t.reported_at, v_now) as reported_at,
          fairlane_core.seen_at(t.seen_at, v_now) as seen_at,
          fairlane_core.seen_at(
            greatest(w.last_heartbeat, (select max(b.beat_at) from fairlane_core.noted_beats as b where b.worker_id = w.id)), v_now
          ) as last_heartbeat
      ) as seen
    where t.status = 'In Progress'
      and not fairlane_core.is_waiting_for_children(t)
  ),
  judged as (
    select
      r.*,
      case
        when fairlane_core.has_ended(r.worker_status) then 'worker_ended'
        when r.said is not null then r.said
        when r.runs_since < v_now - r.timeout then 'timed_out'
        -- Whatever it does, its reports would be refused.
        when r.is_shut_out then 'token_ended'
        when not v_may_judge_silence then null
        when r.left_as is not null
          and case when r.token_id is null then greatest(r.left_at, v_trusted_since) else r.last_report end
            < v_now - v_settings.token_beat_timeout then r.left_as
        when r.worker_id is null and r.last_report < v_now - v_settings.gpu_heartbeat_timeout then 'unassigned'
        when r.token_id is not null and r.last_report
          < v_now - case when r.is_beaten_for then v_settings.token_beat_timeout else v_settings.token_heartbeat_timeout end then 'caller_silent'
        when r.worker_id is not null and r.token_id is null and r.pool <> 'gpu' and r.last_own_sign < v_now - v_settings.api_heartbeat_timeout
          then 'caller_silent'
        when r.worker_id is not null and r.token_id is null and r.pool = 'gpu' and r.last_sign < v_now - v_settings.gpu_heartbeat_timeout
          then 'worker_silent'
        when r.worker_id is not null and r.token_id is null and r.pool = 'gpu'
          and r.delivered_at is null and r.runs_since < v_now - v_settings.delivery_timeout then 'never_delivered'
        -- A failure was reported, possibly by another worker; whoever sent it, nobody is working on the task by now.
        when r.worker_id is not null and r.token_id is null and r.pool = 'gpu' and r.last_report < v_now - v_settings.delivery_timeout
          and fairlane_core.told_reason(r.task) is not null then 'failure_told'
        when r.is_shared and r.token_id is null and r.last_own_sign < v_now - v_settings.stuck_after then 'unnamed'
        when r.is_childless and greatest(r.last_report, r.family_changed_at) < v_now - v_settings.family_quiet_after
          then case when r.has_reported then 'enqueued_nothing' else 'left_behind' end
      end as cause
    from running as r
  )
  select
    j.id, j.lease_token, j.reported_at, j.worker_id, j.cause,
    case
      when j.left_as = j.cause then pg_catalog.format(
        case j.cause
          when 'terminated' then 'Attempt %s was released: a machine under the shared name %s said that it ends, and none has named the task since (for %s s)'
          else 'Attempt %s ended without a result: a machine under the shared name %s reported that its process is gone, and none has named the task since (for %s s)'
        end,
        greatest(j.attempts, 1), fairlane_core.sent_name(j.worker_id), fairlane_core.seconds_between(j.last_report, v_now)
      )
      when j.cause in ('worker_ended', 'worker_silent') and fairlane_core.is_taken_home(j.worker, j.task) then fairlane_core.reason_of_home(j.worker, j.attempts)
      when j.said = j.cause then fairlane_core.reason_of_goodbye(j.said, j.attempts, fairlane_core.sent_name(j.worker_id), j.token_id is not null)
      else pg_catalog.format(
        'Attempt %s ended without a result: %s',
        greatest(j.attempts, 1),
        case j.cause
          when 'worker_ended' then pg_catalog.format(
            'worker %s is %s%s', j.worker_id, j.worker_status, coalesce(' (' || j.error_reason || ')', '')
          )
          when 'worker_silent' then pg_catalog.format(
            case
              when j.last_heartbeat is null or j.last_heartbeat < j.started_at then 'worker %s sent no heartbeat since its claim, %s s ago'
              else 'worker %s has been silent for %s s'
            end,
            j.worker_id, fairlane_core.seconds_between(j.last_sign, v_now)
          )
          when 'caller_silent' then pg_catalog.format(
            '%s %s gave no sign for %s s', case when j.token_id is null then 'worker' else 'the user''s machine' end, fairlane_core.sent_name(j.worker_id),
            fairlane_core.seconds_between(case when j.token_id is null then j.last_own_sign else j.last_report end, v_now)
          )
          when 'token_ended' then pg_catalog.format('the token of the user''s machine %s was revoked or has expired', fairlane_core.sent_name(j.worker_id))
          when 'unassigned' then 'it had no worker'
          when 'unnamed' then pg_catalog.format(
            'several machines may share the name %s, and none of them has named the task for %s s',
            fairlane_core.sent_name(j.worker_id), fairlane_core.seconds_between(j.last_own_sign, v_now)
          )
          when 'timed_out' then pg_catalog.format(
            'it ran for %s s, its timeout is %s s', fairlane_core.seconds_between(j.started_at, v_now), extract(epoch from j.timeout)::bigint
          )
          when 'never_delivered' then pg_catalog.format(
            'worker %s sends heartbeats, but has not named the task in %s s', j.worker_id, fairlane_core.seconds_between(j.started_at, v_now)
          )
          when 'failure_told' then pg_catalog.format(
            'it was reported as failed, and nobody has named it for %s s: %s', fairlane_core.seconds_between(j.last_report, v_now), fairlane_core.told_reason(j.task)
          )
          when 'enqueued_nothing' then pg_catalog.format(
            'it enqueued nothing, and nothing was heard of it for %s s; its last words: %s',
            fairlane_core.seconds_between(j.last_report, v_now), coalesce(pg_catalog.left(j.output_location, 500), 'none')
          )
          when 'left_behind' then pg_catalog.format(
            'worker %s claimed again, and nothing was enqueued or heard of it for %s s',
            fairlane_core.sent_name(j.worker_id), fairlane_core.seconds_between(j.last_report, v_now)
          )
        end
      )
    end
  from judged as j
  where j.cause is not null;
end;
$$;

-- Ages as written into the history: whole seconds from one time to the other, as text; "uncounted" when one of them is
-- unknown.
create function fairlane_core.seconds_between(p_from timestamptz, p_to timestamptz)
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

-- Why a task is requeued after its machine has said that it ends: a user's own, or one of the fleet's under a shared
-- name.
-- The reason for the end of this attempt after a heartbeat with the status p_said (terminated, crashed) of the user's
-- machine, or of one of the fleet's under a shared name.
create function fairlane_core.reason_of_goodbye(p_said text, p_attempts integer, p_worker_id text, p_is_users boolean)
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select pg_catalog.format(
    case p_said
      when 'terminated' then 'Attempt %s was released: %s %s said that it ends'
      else 'Attempt %s ended without a result: %s %s reported that its process is gone'
    end,
    greatest(p_attempts, 1), case when p_is_users then 'the user''s machine' else 'its machine, one of those named' end, p_worker_id
  );
$$;

-- Why a task is requeued whose machine was sent home (fairlane_core.is_taken_home).
create function fairlane_core.reason_of_home(p_worker fairlane.workers, p_attempts integer)
returns text
language sql
immutable
security invoker
set search_path = ''
as $$
  select pg_catalog.format(
    'Attempt %s was released: worker %s was sent home (%s)', greatest(p_attempts, 1), p_worker.id,
    coalesce(nullif(p_worker.metadata ->> 'error_reason', ''), p_worker.metadata ->> 'termination_reason')
  );
$$;
