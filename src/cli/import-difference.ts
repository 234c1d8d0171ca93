import type { ImportDifference, ImportDryRun } from '../config-change/import/dry-run-import.ts'
import { printable } from './printable.ts'

const SIGNS = { created: '+', changed: '~', deleted: '-' } as const

/** Each difference by its key, with the members that differ; then how many there are. */
export function differenceText(found: ImportDryRun): string {
  const { created, changed, unchanged, deleted, differences, truncated } = found
  const more = created + changed + deleted - differences.length
  const lines = [
    ...differences.flatMap(linesOf),
    ...(truncated ? [`… and ${more} more`] : []),
    `${created} to create, ${changed} to change, ${deleted} to delete, ${unchanged} unchanged`,
  ]
  return lines.map(line => `${line}\n`).join('')
}

function linesOf({ key, type, from, to }: ImportDifference): readonly string[] {
  const [before, after] = [membersOf(from), membersOf(to)]
  const lines = [
    `${SIGNS[type]} ${key}`,
    ...before.filter(member => !after.includes(member)).map(member => `    - ${member}`),
    ...after.filter(member => !before.includes(member)).map(member => `    + ${member}`),
  ]
  return lines.map(printable)
}

/** One text for each limit and each other member of a policy, such as `limit burst: capacity 100, refillTokens 10`. */
function membersOf(policy: ImportDifference['from'] | undefined, within = ''): readonly string[] {
  if (policy === null || policy === undefined) return []
  const { limits = [], ...others } = policy
  return [
    ...limits.map(({ name, ...rest }) => `${within}limit ${name}: ${pairsOf(rest)}`),
    ...Object.entries(others).flatMap(([name, value]) =>
      name === 'then' && value !== null
        ? membersOf(value as typeof policy, 'then ')
        : `${within}${name}: ${shown(value)}`,
    ),
  ]
}

function pairsOf(members: object): string {
  return Object.entries(members)
    .map(([name, value]) => `${name} ${shown(value)}`)
    .join(', ')
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
