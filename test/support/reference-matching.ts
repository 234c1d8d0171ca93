import type { ConfigDescriptor } from '../../src/ratelimit-config/config-file.ts'

interface Entry {
  readonly key: string
  readonly value: string
}

/**
 * The descriptor of a configuration that envoyproxy/ratelimit chooses for the entries of a request, written after its `GetLimit`; `undefined`
 * if it finds none.
 */
export function referenceMatch(
  descriptors: readonly ConfigDescriptor[],
  entries: readonly Entry[],
): ConfigDescriptor | undefined {
  let level = descriptors
  let found: ConfigDescriptor | undefined
  for (const { key, value } of entries) {
    if (level.length === 0) return undefined
    const joined = `${key}_${value}`
    const nodes = new Map(level.map(descriptor => [nameOf(descriptor), descriptor]))
    const wildcard = [...nodes.keys()].find(name => name.endsWith('*') && joined.startsWith(name.slice(0, -1)))
    found = nodes.get(joined) ?? (wildcard === undefined ? undefined : nodes.get(wildcard)) ?? nodes.get(key)
    if (found === undefined) return undefined
    level = found.descriptors
  }
  return found
}

function nameOf({ key, value }: ConfigDescriptor): string {
  return value === '' ? key : `${key}_${value}`
}
