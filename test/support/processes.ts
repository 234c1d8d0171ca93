import { readdirSync, readFileSync } from 'node:fs'

interface ProcessEntry {
  readonly pid: number
  readonly parent: number
  readonly command: string
}

/** Every process below this one, however deep. */
export function descendantsOf(pid: number): ProcessEntry[] {
  const all = processes()
  const below = (parent: number): ProcessEntry[] =>
    all.filter(entry => entry.parent === parent).flatMap(entry => [entry, ...below(entry.pid)])
  return below(pid)
}

/** Whether a process runs (a zombie does not). */
export function isAlive(pid: number): boolean {
  return processes().some(entry => entry.pid === pid)
}

function processes(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter(name => /^[0-9]+$/.test(name))
    .flatMap(name => {
      try {
        const status = readFileSync(`/proc/${name}/stat`, 'utf8')
        const [state, parent] = status.slice(status.lastIndexOf(')') + 2).split(' ')
        if (state === 'Z') return []
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        return [{ pid: Number(name), parent: Number(parent), command }]
      } catch {
        return []
      }
    })
}

/** The command line of a process; empty once it has ended. */
export function commandOf(pid: number): string {
  return processes().find(entry => entry.pid === pid)?.command ?? ''
}

/** The processes that were started with this environment variable, whoever their parent is now. */
export function pidsWithVariable(name: string, value: string): number[] {
  const holds = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`${name}=${value}`)
    } catch {
      return false
    }
  }
  return processes()
    .map(({ pid }) => pid)
    .filter(holds)
}

/** What a process holds in memory, MB. */
export function residentMegabytes(pid: number): number {
  const [, kilobytes = ''] = /^VmRSS:\s+([0-9]+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}
