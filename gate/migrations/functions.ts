import { head, lock } from "./pieces.ts";
import { type Share, texts } from "./shares.ts";

/**
 * Functions, what they are granted, views, and the triggers last: nobody waits
 * for a table while the functions are made.
 */
export function functions(
  made: readonly Share[],
  triggers: readonly Share[],
): string {
  const text = texts(made);
  const names = [...text.matchAll(/^create function public\.(\w+)/gm)]
    .map(([, name = ""]) => name);
  const tables = [
    ...texts(triggers).matchAll(/\bon ((?:public|queue)\.\w+)/g),
  ].map(([, name = ""]) => name);
  return head({
    what:
      "every rule, operation and view of the queue, and the triggers that call them.",
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
    "\nnotify pgrst, 'reload schema';\n";
}

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
