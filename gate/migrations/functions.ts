import { NEW_TABLES, OLD_TABLES } from "./destination.ts";
import { isOldFunction } from "./names.ts";
import { head, lock, wrapped } from "./pieces.ts";
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
    oldFunctions([...new Set(names)].filter(isOldFunction).sort()) +
    text +
    lock(tables) +
    `
-- From here on the queue's own triggers complete a row.
drop trigger tasks_are_completed on public.tasks;
drop function public.complete_old_task();
` +
    texts(triggers) +
    texts(rights) +
    "\nnotify pgrst, 'reload schema';\n";
}

/** What the fleet's backend of August 2025 had under these names goes. */
function oldFunctions(names: readonly string[]): string {
  return `
-- Functions of the fleet's earlier backend: beside the queue's own, with other arguments, the Data API would go on calling
-- them. Where there was none, the first file has refused others of these names.
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_proc as p
    where p.pronamespace = 'public'::regnamespace
      and p.proname in (
${wrapped(names.map((name) => `'${name}'`), "        ")}
      )
  loop
    execute format('drop function %s', v_function);
  end loop;
end;
$$;
`;
}
