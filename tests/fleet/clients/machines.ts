import { stepClock } from "../../support/clock.ts";
import { Guardian } from "./guardian.ts";
import type { Wire } from "./wire.ts";

/** A worker of any generation. */
export interface Member {
  readonly id: string;
  isAlive: boolean;
  turn(): Promise<void>;
}

/** Workers side by side with their guardians, for whom time may pass. */
export class Machines {
  private readonly members: Member[] = [];
  private readonly guardians = new Map<string, Guardian>();
  private skippedSeconds = 0;

  constructor(protected readonly wire: Wire) {}

  /** A worker, and its guardian unless it may not beat. */
  add(member: Member, isGuarded = true): void {
    this.members.push(member);
    if (!isGuarded) return;
    this.guardians.set(member.id, new Guardian(member.id, this.wire));
  }

  guardianOf(id: string): Guardian | undefined {
    return this.guardians.get(id);
  }

  /** Lets time pass, in which the living beat. */
  async skip(seconds: number): Promise<void> {
    await stepClock(`${seconds} seconds`);
    this.skippedSeconds += seconds;
    await this.beat();
  }

  /** The guardians notice which processes are gone. */
  async reportEnds(): Promise<void> {
    for (const { id, isAlive } of this.members) {
      if (!isAlive) await this.guardians.get(id)?.reportEnd();
    }
  }

  /** The clock of whoever looks after them. */
  protected readonly now = (): Date =>
    new Date(Date.now() + this.skippedSeconds * 1000);

  protected async beat(): Promise<void> {
    for (const { id, isAlive } of this.members) {
      if (isAlive) await this.guardians.get(id)?.beat();
    }
  }

  /** A turn of each that lives, of those as well that come meanwhile. */
  protected async takeTurns(): Promise<void> {
    for (const member of this.members) {
      if (member.isAlive) await member.turn();
    }
  }
}
