import type { OverrideUnit } from '../check/envoy/units.ts'
import type { ConfigDescriptor, ConfigFile } from './config-file.ts'
import type { Finding } from './finding.ts'

interface Remark {
  readonly applies: (descriptor: ConfigDescriptor) => boolean
  readonly detail: string
}

const REMARKS: readonly Remark[] = [
  {
    applies: hasUnit('SECOND'),
    detail:
      'a limit per second is a token bucket here: what was spent returns evenly, not all at once in the next second',
  },
  {
    applies: hasUnit('WEEK'),
    detail: 'a week begins on Monday at 0:00 UTC here, and there on Thursday',
  },
  {
    applies: hasUnit('MONTH', 'YEAR'),
    detail: 'months and years are those of the calendar in UTC here, and there periods of 30 and 365 days since 1970',
  },
  {
    applies: ({ rateLimit }) => rateLimit?.unit !== undefined,
    detail: 'a denied request spends nothing here; there, it is counted',
  },
  {
    applies: ({ key, value }) => value === '' || value.endsWith('*') || `${key}${value}`.includes('_'),
    detail:
      'each descriptor has a count of its own here; there, keys and values that are the same once joined by "_" share one',
  },
  {
    applies: ({ flags }) => flags.has('detailed_metric') || flags.has('value_to_metric'),
    detail:
      'detailed_metric and value_to_metric are ignored: metrics have no labels for values here, and GET /top shows the counts of keys',
  },
]

/** What is different about all limits of a kind, once for a file in which it occurs. */
export function fileRemarks({ file, descriptors }: ConfigFile): readonly Finding[] {
  const all = [...withDescendants(descriptors)]
  return REMARKS.filter(({ applies }) => all.some(applies)).map(({ detail }) => ({ file, isDifference: false, detail }))
}

function* withDescendants(descriptors: readonly ConfigDescriptor[]): Generator<ConfigDescriptor> {
  for (const descriptor of descriptors) {
    yield descriptor
    yield* withDescendants(descriptor.descriptors)
  }
}

function hasUnit(...units: readonly OverrideUnit[]) {
  return ({ rateLimit }: ConfigDescriptor) => rateLimit?.unit !== undefined && units.includes(rateLimit.unit)
}
