/**
 * How fast the demo lives. Everything that takes time is given in the seconds of
 * production and divided by the speed: the work, the beats, the polls, and the
 * limits of the queue itself (world/settings.ts).
 *
 * The other way to show a rescue within a minute would be to move the queue's
 * clock. Then every worker, not only the dead one, would look silent for as
 * long, until it has beaten again, and the demo would have to arrange that.
 * With one measure for all, nobody steps in: up to ten times as fast the dead
 * worker is missed after five of its beats, as in production, and `--speed 1` is
 * production. Beyond that it is missed after ten seconds.
 */
export class Pace {
  constructor(readonly speed: number) {}

  /** So many seconds of production, in milliseconds of the demo. */
  ms(seconds: number): number {
    return seconds * 1000 / this.speed;
  }
}

/** Seconds between two things, as in production. */
export const EVERY = {
  /** The default of the kit. */
  beat: 20,
  /** The default of the kit. */
  poll: 10,
  /** As examples/autoscaler.ts. */
  scaling: 30,
  /** As pg_cron calls the queue's jobs. */
  jobs: 60,
} as const;
