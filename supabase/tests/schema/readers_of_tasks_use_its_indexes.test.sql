begin;
select plan(1);

-- TEST: a plan is kept by the session for whoever asks next. One that was made while the queue was empty, for a function
-- that does not forbid the walk over a whole table, is used by all others that call the same helper.
select is_empty(
  $$
    select p.oid::regprocedure
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'fairlane_core'::regnamespace
      and p.prosecdef
      and not coalesce(p.proconfig::text like '%enable_seqscan%', false)
      and p.proname <> all (tests.refusing_functions())
      and p.proname not in (
        -- They look at no task, or leave that to a function that is listed itself.
        'advance_status_totals', 'create_api_token', 'is_beating', 'note_refused_claim', 'reconcile', 'refuse_while_locked',
        'revoke_api_token', 'run_job', 'update_worker_model', 'users_after_write',
        -- No index serves the change of a type or of a setting.
        'settings_after_update', 'task_types_after_write'
      )
  $$,
  'Every function that begins with a caller, a job or a change of tasks sets enable_seqscan'
);

select * from finish();
rollback;
