import { readdirSync, readFileSync } from 'node:fs'

export interface ProcessEntry {
  readonly pid: number
  /** In clock ticks since the machine started. */
  readonly startedAt: string
  readonly parent: number
  readonly command: string
}

/** Position after the command's name. @see https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
const START_TIME_FIELD = 19

/** All descendants of this process. Reads only their entries, since a test environment asks before each test. */
export function descendantsOf(pid: number): ProcessEntry[] {
  return childrenOf(pid).flatMap(child => [...entryOf(child), ...descendantsOf(child)])
}

/** The kernel lists them by the thread that started them. @see https://man7.org/linux/man-pages/man5/proc_tid_children.5.html */
function childrenOf(pid: number): number[] {
  return threadsOf(pid).flatMap(id =>
    orNone(() => readFileSync(`/proc/${pid}/task/${id}/children`, 'utf8').split(' ').filter(Boolean).map(Number)),
  )
}

function threadsOf(pid: number): string[] {
  return orNone(() => readdirSync(`/proc/${pid}/task`))
}

/** Whether a process runs (a zombie does not). */
export function isAlive(pid: number): boolean {
  return entryOf(pid).length > 0
}

/** Kills a process, unless it has ended meanwhile. */
export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code !== 'ESRCH') throw err
  }
}

/**
 * Blocks the event loop until a child has ended, so that this process does not notice its exit yet. A child is still closing its files
 * while it has several threads.
 */
export function blockUntilEnded(pid: number): void {
  while (isAlive(pid) || threadsOf(pid).length > 1);
}

/** All processes but zombies. */
export function runningProcesses(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter(name => /^[0-9]+$/.test(name))
    .flatMap(name => entryOf(Number(name)))
}

/** Its entry; none if it is a zombie or has ended. */
function entryOf(pid: number): ProcessEntry[] {
  return orNone(() => {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
    const [state, parent] = fields
    const startedAt = fields[START_TIME_FIELD] ?? ''
    if (state === 'Z') return []
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
    return [{ pid, startedAt, parent: Number(parent), command }]
  })
}

/** What is read of a process or thread; nothing if it ends meanwhile. */
function orNone<T>(read: () => T[]): T[] {
  try {
    return read()
  } catch {
    return []
  }
}

/** The command line of a process; empty once it has ended. */
export function commandOf(pid: number): string {
  return entryOf(pid)[0]?.command ?? ''
}

/** The processes that were started with this environment variable, even if their parent has changed. */
export function pidsWithVariable(name: string, value: string): number[] {
  const holds = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${name}=${value}`)
    } catch {
      return false
    }
  }
  return runningProcesses()
    .map(({ pid }) => pid)
    .filter(holds)
}

/** The resident memory of a process, in MB. */
export function residentMegabytes(pid: number): number {
  const [, kilobytes = ''] = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}
