import type { DescriptorEntry } from '../domain/descriptors/descriptor-pattern.ts'
import type { ConfigNode } from './config-node.ts'
import type { Finding } from './finding.ts'
import type { Siblings } from './siblings.ts'
import { translatedPolicy } from './translated-policy.ts'

/** Ends the values that stand for all others: no configuration has this character, which means nothing. */
const OTHER = '\u{10ffff}'

/** Where the search of each service is after some entries. */
interface State {
  /** The entries, as text. */
  readonly asked: string
  /** `undefined`: the search of the reference has ended. */
  readonly there: ConfigNode | undefined
  /** The nodes that are tried here, in this order. */
  readonly here: readonly ConfigNode[]
}

/**
 * The descriptors for which the two services choose another limit. The reference never goes back from a choice that leads to no limit,
 * and takes the first wildcard of the file. The search compares both for one value of each kind: every value that the configuration
 * names, one for each prefix, and one that it does not name.
 */
export function* matchingDifferences(tree: Siblings<ConfigNode>): Generator<Finding> {
  yield* differencesAfter([tree], tree, '')
}

function* differencesAfter(
  here: readonly Siblings<ConfigNode>[],
  there: Siblings<ConfigNode> | undefined,
  asked: string,
): Generator<Finding> {
  for (const entry of distinctEntries(here)) {
    const state = {
      asked: `${asked}${asked && ';'}${entry.key}=${entry.value}`,
      there: there?.greedyMatch(entry),
      here: here.flatMap(siblings => siblings.matches(entry)),
    }
    yield* differenceIn(state)
    const next = state.here.map(({ children }) => children)
    yield* differencesAfter(next, state.there?.children, state.asked)
  }
}

/** An entry for each kind of value that the patterns tell apart. */
function* distinctEntries(here: readonly Siblings<ConfigNode>[]): Generator<DescriptorEntry> {
  const seen = new Set<string>()
  for (const { pattern } of here.flatMap(({ all }) => all)) {
    const { exact, prefix = '' } = pattern.value
    const entry = { key: pattern.key, value: exact ?? prefix + OTHER }
    const text = `${entry.key}=${entry.value}`
    if (!seen.has(text)) yield entry
    seen.add(text)
  }
}

function* differenceIn({ asked, there, here }: State): Generator<Finding> {
  const found = here.find(node => translatedPolicy(node.descriptor) !== undefined)
  if (found === undefined || found === there || !(isLimited(found) || (there && isLimited(there)))) return
  const { file, configKey } = found
  const example = asked.replaceAll(OTHER, '…')
  yield { file, configKey, isDifference: true, detail: `it decides ${example} here; ${reasonOf(there)}` }
}

function reasonOf(there: ConfigNode | undefined): string {
  const isDecided = there !== undefined && translatedPolicy(there.descriptor) !== undefined
  if (isDecided) return `there, ${there.configKey} does, the first wildcard in the file; here, the longest prefix wins`
  return 'there, nothing does, since the search never goes back from a more specific entry that leads to no limit'
}

function isLimited({ descriptor }: ConfigNode): boolean {
  const policy = translatedPolicy(descriptor)
  return policy !== undefined && policy.mode !== 'off'
}
