import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const ticksPerSecond = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout)

/** Where user and system time stand in `/proc/<pid>/stat`, counted from behind the command, which may contain blanks. */
const USER_TIME = 11
const SYSTEM_TIME = 12

/** The CPU time, in µs, that these processes have used with all their threads. */
export function cpuMicros(pids: readonly number[]): number {
  const ticks = pids.map(pid => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME])
  })
  return (ticks.reduce((a, b) => a + b, 0) / ticksPerSecond) * 1e6
}

/** What the process has in memory now, in bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024
}
