/** A row as it stands; ages in microseconds. */
export interface Row {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
  readonly wasClaimed: boolean;
  readonly hasOwner: boolean;
  readonly hasRunType: boolean;
  readonly isActiveType: boolean;
  readonly isScheduled: boolean;
  /** Since it could first run: enqueued, due, what it waits for complete. */
  readonly age: number;
  readonly unchangedFor: number;
  readonly parent: string | null;
  readonly waitsFor: readonly string[];
}

/** The settings that decide, in microseconds. */
export interface Limits {
  readonly staleAfter: number;
  readonly dependencyGrace: number;
  /** Null = finished tasks are kept. */
  readonly retention: number | null;
}

/** What one run of the cleanup cancels: what is due, and what goes with it. */
export function toCancel(rows: readonly Row[], limits: Limits): string[] {
  const family = new Family(rows);
  const isStale = (row: Row) =>
    row.status === "Queued" && row.attempts === 0 && !row.wasClaimed &&
    row.age > limits.staleAfter && !family.isLive(row.parent);

  /** Something that would go along was started, is young, or has a parent. */
  const isHeld = (row: Row) => {
    const others = family.along(row);
    const goes = (id: string | null) =>
      id === row.id || others.some((other) => other.id === id);
    return others.some((other) =>
      other.status === "In Progress" || other.attempts > 0 ||
      other.wasClaimed ||
      other.age <= limits.staleAfter || (!isStale(other) && !goes(other.parent))
    );
  };
  /** What waits for a live task goes when that goes. */
  const isForgotten = (row: Row) =>
    isStale(row) && !row.waitsFor.some((id) => family.isLive(id)) &&
    !isHeld(row);
  const isLost = (row: Row) =>
    row.waitsFor.length > 0 && !row.waitsFor.some((id) => family.isLive(id)) &&
    row.waitsFor.some((id) => family.get(id)?.status !== "Complete");

  const isDue = (row: Row) => {
    if (row.status !== "Queued") return false;
    const mayRun = row.hasOwner && row.hasRunType && row.isActiveType;
    if (mayRun && row.isScheduled) return false;
    if (mayRun && isLost(row)) return row.unchangedFor > limits.dependencyGrace;
    return isForgotten(row);
  };
  const gone = rows.filter(isDue).flatMap((row) => family.goesWith(row));
  return [...new Set(gone.map((row) => row.id))].sort();
}

/** What one run of the purge deletes: finished, old, and of no use to anybody. */
export function toPurge(rows: readonly Row[], limits: Limits): string[] {
  const family = new Family(rows);
  return rows.filter((row) =>
    limits.retention !== null && !family.isLive(row.id) &&
    row.unchangedFor > limits.retention && !family.isLive(row.parent) &&
    !family.dependents(row).some((other) => family.isLive(other.id)) &&
    !family.children(row).some((other) => family.isLive(other.id))
  ).map((row) => row.id).sort();
}

/** Who waits for whom, and who is whose child. */
class Family {
  readonly #rows: ReadonlyMap<string, Row>;
  readonly #dependents = new Map<string, Row[]>();
  readonly #children = new Map<string, Row[]>();

  constructor(rows: readonly Row[]) {
    this.#rows = new Map(rows.map((row) => [row.id, row]));
    for (const row of rows) {
      for (const id of row.waitsFor) add(this.#dependents, id, row);
      if (row.parent !== null) add(this.#children, row.parent, row);
    }
  }

  get(id: string): Row | undefined {
    return this.#rows.get(id);
  }

  isLive(id: string | null): boolean {
    const status = id === null ? undefined : this.#rows.get(id)?.status;
    return status === "Queued" || status === "In Progress";
  }

  dependents(row: Row): readonly Row[] {
    return this.#dependents.get(row.id) ?? [];
  }

  children(row: Row): readonly Row[] {
    return this.#children.get(row.id) ?? [];
  }

  /** What would go with a task, in any number of steps. */
  along(row: Row): Row[] {
    return [...this.dependents(row), ...this.children(row)]
      .flatMap((other) =>
        this.isLive(other.id) ? [other, ...this.along(other)] : []
      );
  }

  /** A cancelled task, what waits for it, its children, and so on. */
  goesWith(row: Row): Row[] {
    const waiting = this.dependents(row)
      .filter((other) => other.status === "Queued");
    const children = this.children(row)
      .filter((other) => this.isLive(other.id));
    return [
      row,
      ...[...waiting, ...children].flatMap((other) => this.goesWith(other)),
    ];
  }
}

function add(index: Map<string, Row[]>, id: string, row: Row): void {
  index.set(id, [...index.get(id) ?? [], row]);
}
