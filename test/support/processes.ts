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

/** All descendants of this process. */
export function descendantsOf(pid: number): ProcessEntry[] {
  const all = runningProcesses()
  const below = (parent: number): ProcessEntry[] =>
    all.filter(entry => entry.parent === parent).flatMap(entry => [entry, ...below(entry.pid)])
  return below(pid)
}

/** Whether a process runs (a zombie does not). */
export function isAlive(pid: number): boolean {
  return runningProcesses().some(entry => entry.pid === pid)
}

/** All processes but zombies. */
export function runningProcesses(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter(name => /^[0-9]+$/.test(name))
    .flatMap(name => {
      try {
        const status = readFileSync(`/proc/${name}/stat`, 'utf8')
        const fields = status.slice(status.lastIndexOf(')') + 2).split(' ')
        const [state, parent] = fields
        const startedAt = fields[START_TIME_FIELD] ?? ''
        if (state === 'Z') return []
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        return [{ pid: Number(name), startedAt, parent: Number(parent), command }]
      } catch {
        return []
      }
    })
}

/** The command line of a process; empty once it has ended. */
export function commandOf(pid: number): string {
  return runningProcesses().find(entry => entry.pid === pid)?.command ?? ''
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
