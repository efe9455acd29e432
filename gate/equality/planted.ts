/** A change that the comparison must find, or it is blind to such changes. */
export interface Planted {
  readonly what: string;
  /** The object that a finding must name. */
  readonly object: string;
  /** Made on both sides. */
  readonly common: string;
  /** Made on one side only. */
  readonly change: string;
}

/**
 * Planted into throw-away databases after they were found equal. Some tools
 * that compare databases are silent about exactly these.
 */
export const PLANTED: readonly Planted[] = [
  {
    what: "a function's body",
    object: "planted_body",
    common: `create function queue.planted_body() returns integer
      language sql as 'select 1'`,
    change: `create or replace function queue.planted_body() returns integer
      language sql as 'select 2'`,
  },
  {
    what: "a function's search_path",
    object: "planted_path",
    common: `create function queue.planted_path() returns integer
      language sql as 'select 1'`,
    change: "alter function queue.planted_path() set search_path = ''",
  },
  {
    what: "a grant",
    object: "planted_grant",
    common: "create table queue.planted_grant (a integer)",
    change: "grant select on queue.planted_grant to anon",
  },
  {
    what: "a grant on a column",
    object: "planted_column_grant",
    common: "create table queue.planted_column_grant (a integer, b integer)",
    change: "grant select (a) on queue.planted_column_grant to anon",
  },
  {
    what: "a comment on a column",
    object: "planted_comment",
    common: "create table queue.planted_comment (a integer)",
    change: "comment on column queue.planted_comment.a is 'planted'",
  },
  {
    what: "an index's condition",
    object: "planted_index",
    common: `create table queue.planted_index_table (a integer);
      create index planted_index on queue.planted_index_table (a)`,
    change: `drop index queue.planted_index;
      create index planted_index on queue.planted_index_table (a)
        where a is null`,
  },
  {
    what: "a storage parameter",
    object: "planted_reloption",
    common: "create table queue.planted_reloption (a integer)",
    change: "alter table queue.planted_reloption set (fillfactor = 50)",
  },
  {
    what: "a check",
    object: "planted_check",
    common: `create table queue.planted_check (
      a integer, constraint planted check (a > 0))`,
    change: `alter table queue.planted_check drop constraint planted;
      alter table queue.planted_check
        add constraint planted check (a > 1)`,
  },
  {
    what: "a constraint that is not validated",
    object: "planted_validity",
    common: `create table queue.planted_validity (a integer)`,
    change: `alter table queue.planted_validity
      add constraint planted check (a > 0) not valid`,
  },
  {
    what: "the order of columns",
    object: "planted_order",
    common: "create table queue.planted_order (a integer, b integer)",
    change: `drop table queue.planted_order;
      create table queue.planted_order (b integer, a integer)`,
  },
  {
    what: "row level security",
    object: "planted_security",
    common: "create table queue.planted_security (a integer)",
    change: "alter table queue.planted_security enable row level security",
  },
  {
    what: "a trigger that is switched off",
    object: "planted_trigger",
    common: `create function queue.planted_act() returns trigger
        language plpgsql as 'begin return new; end';
      create table queue.planted_trigger_table (a integer);
      create trigger planted_trigger before insert
        on queue.planted_trigger_table
        for each row execute function queue.planted_act()`,
    change: `alter table queue.planted_trigger_table
      disable trigger planted_trigger`,
  },
  {
    what: "a policy on a table of the platform",
    object: "planted_policy",
    common: "",
    change: `create policy planted_policy on realtime.messages
      for select to authenticated using (true)`,
  },
  {
    what: "a cron job",
    object: "planted_job",
    common: "select cron.schedule('planted_job', '0 0 1 1 *', 'select 1')",
    change: "select cron.schedule('planted_job', '0 0 1 1 *', 'select 2')",
  },
];
