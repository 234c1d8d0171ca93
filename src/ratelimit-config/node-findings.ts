import { MAX_COUNT } from '../domain/limits/limit-fault.ts'
import type { ConfigDescriptor } from './config-file.ts'
import type { ConfigNode } from './config-node.ts'
import type { Finding } from './finding.ts'
import { limitName } from './translated-policy.ts'

interface Rule {
  readonly applies: (descriptor: ConfigDescriptor) => boolean
  readonly isDifference: boolean
  readonly detail: (descriptor: ConfigDescriptor) => string
}

const RULES: readonly Rule[] = [
  {
    applies: ({ rateLimit }) => rateLimit?.hasReplaces === true,
    isDifference: true,
    detail: () => 'replaces is ignored: the limits that it names are also counted here, and can deny',
  },
  {
    applies: ({ flags }) => flags.has('quota_mode'),
    isDifference: true,
    detail: () =>
      'quota_mode becomes the mode shadow: it denies nobody here either, but the response does not say who is over the limit',
  },
  {
    applies: ({ flags }) => flags.has('share_threshold'),
    isDifference: true,
    detail: () => 'share_threshold is ignored: each value that matches has a count of its own here',
  },
  {
    applies: ({ hasMetadata }) => hasMetadata,
    isDifference: true,
    detail: () => 'metadata is ignored: responses have no dynamic metadata here',
  },
  {
    applies: ({ rateLimit }) => (rateLimit?.requestsPerUnit ?? 0) > MAX_COUNT,
    isDifference: true,
    detail: ({ rateLimit }) =>
      `requests_per_unit ${rateLimit?.requestsPerUnit} becomes ${MAX_COUNT}, the most that a limit can have`,
  },
  {
    applies: ({ key, value }) => value === '' && key.endsWith('*'),
    isDifference: true,
    detail: ({ key }) => `the key "${key}" matches only itself here, and there also longer keys`,
  },
  {
    applies: ({ value }) => value.slice(0, -1).includes('*'),
    isDifference: false,
    detail: ({ value }) =>
      `the "*" within the value "${value}" matches only itself, as there; only at the end does it match more`,
  },
  {
    applies: ({ rateLimit }) => rateLimit !== undefined && limitName(rateLimit.name) !== rateLimit.name,
    isDifference: false,
    detail: ({ rateLimit: { name } = { name: '' } }) => `the name "${name}" becomes "${limitName(name)}"`,
  },
]

/** What is different about one descriptor, wherever it is in the tree. */
export function nodeFindings({ file, configKey, descriptor }: ConfigNode): readonly Finding[] {
  return RULES.filter(({ applies }) => applies(descriptor)).map(({ isDifference, detail }) => ({
    file,
    configKey,
    isDifference,
    detail: detail(descriptor),
  }))
}
