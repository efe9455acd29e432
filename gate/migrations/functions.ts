import { NEW_TABLES, OLD_TABLES } from "./destination.ts";
import { head, lock } from "./pieces.ts";
import { type Share, terse, texts } from "./shares.ts";

/**
 * Functions and views, and last the triggers and who may do what: nobody waits
 * for a table while the functions are made, and no table is open without the
 * triggers that keep its rules.
 */
export function functions(
  made: readonly Share[],
  triggers: readonly Share[],
  rights: readonly Share[],
): string {
  const text = terse(made);
  const names = [...text.matchAll(/^create function public\.(\w+)/gm)]
    .map(([, name = ""]) => name);
  const tables = [
    ...[...texts(triggers).matchAll(/\bon ((?:public|fairlane_core)\.\w+)/g)]
      .map(([, name = ""]) => name),
    ...[...OLD_TABLES, ...NEW_TABLES].map((name) => `public.${name}`),
  ];
  return head({
    what:
      "every rule, operation and view of the queue, the triggers that call them, and who may see and do what.",
    why:
      "whatever the way in, a task changes only as the state machine allows, and counters, history and records follow.",
    backOut: "drop the triggers; functions of before are not kept.",
  }) +
    namesakes([...new Set(names)].sort()) +
    text +
    lock(tables) +
    `
-- From here on the queue's own triggers complete a row.
drop trigger tasks_are_completed on public.tasks;
drop function public.complete_old_task();
` +
    texts(triggers) +
    policies +
    texts(rights) +
    "\nnotify pgrst, 'reload schema';\n";
}

const policies = `
-- Who may see and do what is said anew; what an old policy allowed besides is allowed no more.
do $$
declare
  v_policy record;
begin
  for v_policy in
    select p.tablename, p.policyname
    from pg_policies as p
    where p.schemaname = 'public'
      and p.tablename in (${OLD_TABLES.map((name) => `'${name}'`).join(", ")})
  loop
    execute format('drop policy %I on public.%I', v_policy.policyname, v_policy.tablename);
  end loop;
end;
$$;
`;

/** What an old backend has under these names goes. */
function namesakes(names: readonly string[]): string {
  return `
-- Functions of an old backend that have the names of the queue's own: with other arguments they would stay beside them, and
-- the Data API would go on calling them, or could not choose.
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in (
${wrapped(names.map((name) => `'${name}'`))}
      )
  loop
    execute format('drop function %s', v_function);
  end loop;
end;
$$;
`;
}

function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 110) {
      lines[lines.length - 1] = `${last}, ${word}`;
    } else lines.push(`        ${word}`);
  }
  return lines.join(",\n");
}
