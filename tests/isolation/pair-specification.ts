import type { Operation } from "./operations.ts";

/** Two sessions, each with one operation in a transaction of its own. */
export function pairSpecification(one: Operation, other: Operation): string {
  return `
setup { select isolation.prepare(); }
teardown { select isolation.expect_order(); }
${session("one", one)}
${session("other", other)}
`;
}

function session(name: string, operation: Operation): string {
  return `
session ${name}
setup { begin; }
step ${name}_does { ${operation.sql(name)}; }
step ${name}_ends { commit; }
`;
}
