-- What: nothing any more. Counters after an upgrade are mended by 20261128180200_rescue_and_reconcile_in_batches.sql.
-- Why: it mended many owners in one transaction, and their claims waited. The file stays, because a database that has
-- applied it wants to find it.
-- Back out: nothing to do.

set lock_timeout = '900ms';
