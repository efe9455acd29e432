/** Functions of public by their names, as `to_regprocedure` takes them: each has one signature. */
export function signatures(
  files: readonly { readonly text: string }[],
): ReadonlyMap<string, string> {
  const made =
    /^create (?:or replace )?function public\.(\w+)\(([^]*?)\)\s*returns\b/gm;
  return new Map(
    files.flatMap(({ text }) => [...text.matchAll(made)])
      .map(([, name = "", args = ""]) => [name, `${name}(${typesOf(args)})`]),
  );
}

function typesOf(args: string): string {
  return [...args.matchAll(/(?:'[^']*'|[^,'])+/g)]
    .map(([one]) => one.trim().replace(/ default [^]*$/, ""))
    .map((one) => one.slice(one.indexOf(" ") + 1))
    .join(", ");
}
