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

/** A change of a table `fairlane_core.planted_…` of two numbers. */
function ofTable(what: string, name: string, change: string): Planted {
  const object = `planted_${name}`;
  const common = `create table fairlane_core.${object} (a integer, b integer)`;
  return { what, object, common, change };
}

/** A change of what is there already. */
function ofWhatIsThere(what: string, object: string, change: string): Planted {
  return { what, object, common: "", change };
}

/**
 * Planted into throw-away databases after they were found equal. Some tools
 * that compare databases are silent about exactly these.
 */
export const PLANTED: readonly Planted[] = [
  {
    what: "a function's body",
    object: "planted_body",
    common:
      "create function fairlane_core.planted_body() returns integer language sql as 'select 1'",
    change:
      "create or replace function fairlane_core.planted_body() returns integer language sql as 'select 2'",
  },
  {
    what: "a function's search_path",
    object: "planted_path",
    common:
      "create function fairlane_core.planted_path() returns integer language sql as 'select 1'",
    change: "alter function fairlane_core.planted_path() set search_path = ''",
  },
  ofTable(
    "a grant",
    "grant",
    "grant select on fairlane_core.planted_grant to anon",
  ),
  ofTable(
    "a grant on a column",
    "column_grant",
    "grant select (a) on fairlane_core.planted_column_grant to anon",
  ),
  ofTable(
    "a comment on a column",
    "comment",
    "comment on column fairlane_core.planted_comment.a is 'planted'",
  ),
  ofTable(
    "a storage parameter",
    "option",
    "alter table fairlane_core.planted_option set (fillfactor = 50)",
  ),
  ofTable(
    "a column's type",
    "column_type",
    "alter table fairlane_core.planted_column_type alter a type bigint",
  ),
  ofTable(
    "a constraint that is not validated",
    "validity",
    "alter table fairlane_core.planted_validity add constraint planted check (a > 0) not valid",
  ),
  ofTable(
    "the order of columns",
    "order",
    "drop table fairlane_core.planted_order; create table fairlane_core.planted_order (b integer, a integer)",
  ),
  ofTable(
    "row level security",
    "security",
    "alter table fairlane_core.planted_security enable row level security",
  ),
  {
    what: "an index's condition",
    object: "planted_index",
    common: `create table fairlane_core.planted_index_table (a integer);
      create index planted_index on fairlane_core.planted_index_table (a)`,
    change: `drop index fairlane_core.planted_index;
      create index planted_index on fairlane_core.planted_index_table (a) where a is null`,
  },
  {
    what: "a check",
    object: "planted_check",
    common:
      "create table fairlane_core.planted_check (a integer, constraint planted check (a > 0))",
    change: `alter table fairlane_core.planted_check drop constraint planted;
      alter table fairlane_core.planted_check add constraint planted check (a > 1)`,
  },
  {
    what: "a trigger that is switched off",
    object: "planted_trigger",
    common: `create function fairlane_core.planted_act() returns trigger
        language plpgsql as 'begin return new; end';
      create table fairlane_core.planted_trigger_table (a integer);
      create trigger planted_trigger before insert on fairlane_core.planted_trigger_table
        for each row execute function fairlane_core.planted_act()`,
    change:
      "alter table fairlane_core.planted_trigger_table disable trigger planted_trigger",
  },
  {
    what: "the fields of a type",
    object: "columns of fairlane_core.planted_type",
    common: "create type fairlane_core.planted_type as (a integer, b integer)",
    change:
      "drop type fairlane_core.planted_type; create type fairlane_core.planted_type as (b integer, a integer)",
  },
  {
    what: "a cron job",
    object: "planted_job",
    common: "select cron.schedule('planted_job', '0 0 1 1 *', 'select 1')",
    change: "select cron.schedule('planted_job', '0 0 1 1 *', 'select 2')",
  },
  ofWhatIsThere(
    "a policy on a table of the platform",
    "planted_policy",
    "create policy planted_policy on realtime.messages for select to authenticated using (true)",
  ),
  ofWhatIsThere(
    "a comment on a policy",
    "comment on policy owners_read_tasks",
    "comment on policy owners_read_tasks on public.tasks is 'planted'",
  ),
  ofWhatIsThere(
    "a right on a schema",
    "schema fairlane_core",
    "grant usage on schema fairlane_core to anon",
  ),
  ofWhatIsThere(
    "a default for what is made later",
    "default privileges of postgres in fairlane_core",
    "alter default privileges in schema fairlane_core grant select on tables to anon",
  ),
];
