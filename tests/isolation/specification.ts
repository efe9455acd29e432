/** One statement that a session may run, under a name. */
export interface Act {
  readonly name: string;
  readonly sql: string;
}

/** A session that runs one of its acts, in a transaction of its own. */
export interface Session {
  readonly name: string;
  readonly acts: readonly Act[];
}

/** For this session alone: others do not see what it has not committed. */
const HURRY = "set local lock_timeout = '20ms'; " +
  "update fairlane_core.settings set max_lock_wait = '20ms', max_report_wait = '20ms';";

/**
 * A specification for isolationtester: every choice of one act per session, in
 * every order in which the sessions can act and end.
 */
export function specification(
  sessions: readonly Session[],
  setup = "",
  expectation = "isolation.expect_order",
): string {
  const names = sessions.map(({ name }) => name);
  return [
    `setup { select isolation.prepare(); ${setup} }`,
    `teardown { select ${expectation}(); }`,
    ...sessions.flatMap(({ name, acts }) => [
      `session ${name}`,
      "setup { set lock_timeout = '2s'; begin; }",
      ...acts.map((act) => `step ${stepOf(name, act)} { ${act.sql}; }`),
      `step ${name}_hurries { ${HURRY} }`,
      `step ${name}_ends { commit; }`,
    ]),
    ...choices(sessions).flatMap((chosen) =>
      orders(names).map((order) =>
        `permutation ${steps(order, chosen).join(" ")}`
      )
    ),
  ].join("\n");
}

/** Which step each session acts with. */
type Choice = ReadonlyMap<string, string>;

function choices(sessions: readonly Session[]): Choice[] {
  const none: Choice[] = [new Map()];
  return sessions.reduce(
    (all, { name, acts }) =>
      all.flatMap((choice) =>
        acts.map((act) => new Map([...choice, [name, stepOf(name, act)]]))
      ),
    none,
  );
}

function stepOf(session: string, act: Act): string {
  return `${session}_${act.name.replaceAll(" ", "_")}`;
}

/** Each name twice: where the session acts and where it ends. */
type Order = readonly string[];

function orders(names: readonly string[]): Order[] {
  const [last, ...others] = [...names].reverse();
  if (last === undefined) return [[]];
  return orders(others.reverse()).flatMap((order) =>
    places(order.length).flatMap((act) =>
      places(order.length - act).map((later) => [
        ...order.slice(0, act),
        last,
        ...order.slice(act, act + later),
        last,
        ...order.slice(act + later),
      ])
    )
  );
}

function places(length: number): number[] {
  return Array.from({ length: length + 1 }, (_, place) => place);
}

/**
 * A session cannot end while it waits for one that ends later: it gives up
 * soon instead, as a client does, and must leave nothing behind. (Of two that
 * wait for the same lock, the later one may get it first; then the other gives
 * up, a little later.)
 */
function steps(order: Order, chosen: Choice): string[] {
  return order.flatMap((name, place) => {
    if (order.indexOf(name) < place) return [`${name}_ends`];
    const end = order.lastIndexOf(name);
    const isOutlived = order.slice(0, place).some((other) =>
      order.lastIndexOf(other) > end
    );
    const act = chosen.get(name) ?? "";
    return [...(isOutlived ? [`${name}_hurries`] : []), act];
  });
}
