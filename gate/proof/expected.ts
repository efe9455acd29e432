/** A difference that is meant. */
interface Expected {
  readonly why: string;
  readonly is: RegExp;
}

/** An orchestrator without a row in task_types, which ran and had reported its children (tests/upgrade/odd-rows.sql). */
const ORCHESTRATOR = "0f000000-0000-4000-8000-000000000009";
const ITS_OWNER = "0e000000-0000-4000-8000-000000000010";

/**
 * The set before derived old rows by the rules of its first files, and mended
 * what its later ones knew better, as far as it could tell. Now today's rules
 * derive them at once.
 */
export const EXPECTED: readonly Expected[] = [
  {
    why:
      "running tasks of types that their owners' GPU machines run, too, are marked as such, like every task that starts today",
    is:
      /^Different: row of public\.tasks \S+ api In Progress.*\n {2}before: runs_on_own_gpu = false\n {2}now: runs_on_own_gpu = true$/,
  },
  {
    why:
      "an orchestrator that is one by its name, and has enqueued everything, has given its place back",
    is: new RegExp([
      `^Only in now: row of queue\\.handovers ${ORCHESTRATOR}$`,
      "^Different: rows of queue\\.handovers\\n {2}before: 2\\n {2}now: 3$",
      `^Different: row of queue\\.user_slots ${ITS_OWNER}\\n {2}before: orchestrating = 1\\n {2}now: orchestrating = 0$`,
      `^Different: row of queue\\.user_lines \\S+ ${ITS_OWNER}\\n {2}before: orchestration_room = 4\\n {2}before: turn_load = 4` +
      "\\n {2}now: orchestration_room = 5\\n {2}now: turn_load = 3$",
    ].join("|")),
  },
  {
    why:
      "functions of schema queue have their comment in supabase/schemas, and none in the database",
    is: new RegExp([
      "^Only in before: comment on function queue\\.\\S.*$",
      "^Different: [^\\n]*queue\\.[^\\n]*\\n {2}before: ( \\| \\{[^\\n]*?\\}) \\| [^\\n]*\\n {2}now: \\1$",
    ].join("|")),
  },
  {
    why:
      "what is taken back for all sequences of schema queue leaves this one, too, with the rights of its owner said in words",
    is:
      /^Different: relation queue\.held_slots_id_seq\n {2}before: S \| f \| \{\}\n {2}now: S \| f \| \{postgres=rwU\/postgres\}$/,
  },
];
