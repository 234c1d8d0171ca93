import { descriptorPattern, type EntryPattern } from '../domain/descriptors/descriptor-pattern.ts'
import { encodedText } from '../domain/descriptors/descriptor-text.ts'
import type { ConfigDescriptor, ConfigFile } from './config-file.ts'
import { InvalidConfig } from './invalid-config.ts'
import { Siblings } from './siblings.ts'

/** A descriptor of a configuration, in the tree of its domain. */
export interface ConfigNode {
  readonly file: string
  readonly descriptor: ConfigDescriptor
  /** The config key of its policy. */
  readonly configKey: string
  readonly pattern: EntryPattern
  readonly children: Siblings<ConfigNode>
}

/** The trees of all files, by domain. Files can share a domain. @throws {InvalidConfig} for a descriptor that occurs twice */
export function treesOf(files: readonly ConfigFile[]): ReadonlyMap<string, Siblings<ConfigNode>> {
  const trees = new Map<string, Siblings<ConfigNode>>()
  for (const { file, domain, descriptors } of files) {
    const tree = trees.get(domain) ?? new Siblings<ConfigNode>()
    trees.set(domain, tree)
    addAll(tree, descriptors, file, `rls;${encodedText('domain', domain)}`)
  }
  return trees
}

/** A node and all that follow it. */
export function* nodesUnder(siblings: Siblings<ConfigNode>): Generator<ConfigNode> {
  for (const node of siblings.all) {
    yield node
    yield* nodesUnder(node.children)
  }
}

function addAll(
  siblings: Siblings<ConfigNode>,
  descriptors: readonly ConfigDescriptor[],
  file: string,
  parent: string,
): void {
  for (const descriptor of descriptors) {
    const configKey = `${parent};${entryText(descriptor)}`
    const [pattern] = descriptorPattern(`rls;;${entryText(descriptor)}`).entries as [EntryPattern]
    const node = { file, descriptor, configKey, pattern, children: new Siblings<ConfigNode>() }
    if (!siblings.add(node)) throw new InvalidConfig(`${file}: ${configKey}: the descriptor occurs twice`)
    addAll(node.children, descriptor.descriptors, file, configKey)
  }
}

function entryText({ key, value }: ConfigDescriptor): string {
  const encodedKey = encodedText('key', key)
  if (value === '') return encodedKey
  const isPrefix = value.endsWith('*')
  const encodedValue = encodedText('value', isPrefix ? value.slice(0, -1) : value)
  return `${encodedKey}=${encodedValue}${isPrefix ? '*' : ''}`
}
