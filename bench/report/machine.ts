import { cpus } from 'node:os'
import { redisVersion } from '../probes/redis-version.ts'

/** What a run was measured on. */
export type Machine = Readonly<Record<'cpu' | 'cores' | 'node' | 'redis', string>>

export function thisMachine(): Machine {
  const processors = cpus()
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: String(processors.length),
    node: process.version,
    redis: redisVersion() ?? 'none',
  }
}

/** In a line. */
export function described({ cpu, cores, node, redis }: Machine): string {
  return `${cpu}, ${cores} cores, Node ${node}, Redis ${redis}`
}
