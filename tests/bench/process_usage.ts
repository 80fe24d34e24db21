/**
 * What processes have used of the machine, as Linux tells in `/proc`.
 *
 * @module
 */

/** What a process has used so far. */
export interface Usage {
  /** CPU time of all its threads since its start, in whole ticks, microseconds. */
  readonly ticksUs: number;
  /** CPU time of each thread that lives, nanoseconds, where the kernel tells. */
  readonly threads: ReadonlyMap<string, number>;
  /** Memory that it has in RAM now, bytes. */
  readonly rss: number;
}

/** Ticks are of this length on every Linux that Deno runs on (USER_HZ). */
const TICK_US = 10_000;
const PAGE = 4_096;

/**
 * Reads the line of `/proc/PID/stat`.
 *
 * @throws {Error} If it is none.
 * @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
 */
export function parseStat(line: string): Omit<Usage, "threads"> {
  // The second field is a name in brackets, which may have anything in it.
  const fields = line.slice(line.lastIndexOf(")") + 2).trim().split(" ");
  // Counted from the third field: utime is the 14th, stime the 15th, rss the 24th.
  const [utime, stime, pages] = [11, 12, 21].map((at) => Number(fields[at]));
  const usage = {
    ticksUs: (utime! + stime!) * TICK_US,
    rss: pages! * PAGE,
  };
  if (Number.isNaN(usage.ticksUs) || Number.isNaN(usage.rss)) {
    throw new Error(`Cannot read /proc/PID/stat: ${JSON.stringify(line)}`);
  }
  return usage;
}

/**
 * CPU time between two looks, microseconds: by thread where the kernel tells,
 * as a tick is a long time for a short round. What a thread did that ended
 * meanwhile is missing.
 */
export function cpuBetween(before: Usage, after: Usage): number {
  if (after.threads.size === 0) return after.ticksUs - before.ticksUs;
  let sum = 0;
  for (const [thread, ns] of after.threads) {
    sum += ns - (before.threads.get(thread) ?? 0);
  }
  return sum / 1000;
}

/**
 * Tells what a process has used.
 *
 * @throws {Error} Where it is gone, or this is no Linux.
 */
export async function usageOf(pid: number): Promise<Usage> {
  const path = `/proc/${pid}/stat`;
  try {
    const stat = parseStat(await Deno.readTextFile(path));
    return { ...stat, threads: await threadsOf(pid) };
  } catch (cause) {
    throw new Error(
      `Cannot read ${path}: the process has ended, or this system is no Linux`,
      { cause },
    );
  }
}

async function threadsOf(pid: number): Promise<ReadonlyMap<string, number>> {
  const threads = new Map<string, number>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    // Not there where the kernel keeps no such statistics, or the thread ended.
    const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/schedstat`)
      .catch(() => "");
    const ns = Number(text.split(" ")[0]);
    if (text !== "" && !Number.isNaN(ns)) threads.set(name, ns);
  }
  return threads;
}

/** The same of several, by name. */
export async function usageOfAll<Name extends string>(
  pids: Readonly<Record<Name, number>>,
): Promise<Readonly<Record<Name, Usage>>> {
  const names = Object.keys(pids) as Name[];
  const found = await Promise.all(
    names.map(async (name) => [name, await usageOf(pids[name])] as const),
  );
  return Object.fromEntries(found) as Record<Name, Usage>;
}
