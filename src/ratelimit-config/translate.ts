import { configKeyFault } from '../domain/key.ts'
import type { PolicyDefinition } from '../domain/policy.ts'
import type { ConfigFile } from './config-file.ts'
import { type ConfigNode, nodesUnder, treesOf } from './config-node.ts'
import { fileRemarks } from './file-remarks.ts'
import type { Finding } from './finding.ts'
import { matchingDifferences } from './matching-differences.ts'
import { nodeFindings } from './node-findings.ts'
import { translatedPolicy } from './translated-policy.ts'

export interface Translation {
  readonly policies: readonly { readonly key: string; readonly policy: PolicyDefinition }[]
  /** Everything that is decided differently, and what applies to all limits of a file. */
  readonly findings: readonly Finding[]
}

/** The policies that decide like a configuration of envoyproxy/ratelimit. @throws {InvalidConfig} for a descriptor that occurs twice */
export function translate(files: readonly ConfigFile[]): Translation {
  const trees = [...treesOf(files).values()]
  const nodes = trees.flatMap(tree => [...nodesUnder(tree)])
  const policies = nodes.flatMap(node => {
    const policy = translatedPolicy(node.descriptor)
    return policy === undefined || isLeftOut(node) ? [] : { key: node.configKey, policy }
  })
  const findings = [
    ...files.flatMap(fileRemarks),
    ...nodes.flatMap(nodeFindings),
    ...nodes.flatMap(leftOutFinding),
    ...trees.flatMap(tree => [...matchingDifferences(tree)]),
  ]
  return { policies, findings }
}

function isLeftOut({ configKey }: ConfigNode): boolean {
  return configKeyFault(configKey) !== undefined
}

function leftOutFinding({ file, configKey, descriptor }: ConfigNode): readonly Finding[] {
  const fault = configKeyFault(configKey)
  if (fault === undefined || translatedPolicy(descriptor) === undefined) return []
  return [{ file, configKey, isDifference: true, detail: `it is left out: ${fault.detail}` }]
}
