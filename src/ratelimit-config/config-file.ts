/**
 * Reads configuration files of envoyproxy/ratelimit.
 * @see https://github.com/envoyproxy/ratelimit#configuration
 */
import { type DocumentOptions, type ParseOptions, parseDocument, type SchemaOptions } from 'yaml'
import { OVERRIDE_UNITS, type OverrideUnit } from '../check/envoy/units.ts'
import { isNestedDeeper } from '../lib/is-nested-deeper.ts'
import { ConfigMembers } from './config-members.ts'
import { InvalidConfig } from './invalid-config.ts'
import { isNestedTooDeep, MAX_YAML_DEPTH } from './yaml-depth.ts'

export interface ConfigFile {
  readonly file: string
  readonly domain: string
  readonly descriptors: readonly ConfigDescriptor[]
}

/** An entry that descriptors of requests can have, and those that can follow it. */
export interface ConfigDescriptor {
  readonly key: string
  /** Empty: any value. It can end in `*`. */
  readonly value: string
  /** `undefined`: what ends here is not limited. */
  readonly rateLimit: ConfigLimit | undefined
  /** The members that are set to true. */
  readonly flags: ReadonlySet<DescriptorFlag>
  readonly hasMetadata: boolean
  readonly descriptors: readonly ConfigDescriptor[]
}

interface ConfigLimit {
  /** `undefined`: unlimited. */
  readonly unit: OverrideUnit | undefined
  readonly requestsPerUnit: number
  readonly name: string
  readonly hasReplaces: boolean
}

const DESCRIPTOR_FLAGS = ['shadow_mode', 'quota_mode', 'detailed_metric', 'value_to_metric', 'share_threshold'] as const
type DescriptorFlag = (typeof DESCRIPTOR_FLAGS)[number]

const ROOT = ['domain', 'descriptors']
const DESCRIPTOR = ['key', 'value', 'rate_limit', 'descriptors', ...DESCRIPTOR_FLAGS, 'metadata']
const RATE_LIMIT = ['unit', 'requests_per_unit', 'unlimited', 'name', 'replaces']
const MAX_UINT32 = 2 ** 32 - 1

/** Keeps scalars as text: `value: 007` means these three characters. */
const AS_TEXT: ParseOptions & DocumentOptions & SchemaOptions = {
  version: '1.1',
  schema: 'failsafe',
  customTags: ['null', 'merge'],
  stringKeys: true,
}

/** @param file the name in messages @throws {InvalidConfig} for what the reference refuses too */
export function readConfigFile(file: string, text: string): ConfigFile {
  const root = new ConfigMembers(file, '', parsed(file, text), ROOT)
  const domain = root.text('domain')
  if (domain === '') throw root.fault('domain', 'must not be empty')
  return { file, domain, descriptors: readDescriptors(root) }
}

function parsed(file: string, text: string): unknown {
  if (isNestedTooDeep(text)) throw tooDeep(file)
  const value = valueIn(file, text)
  // An alias can refer to what contains it.
  if (isNestedDeeper(value, MAX_YAML_DEPTH)) throw tooDeep(file)
  return value
}

function tooDeep(file: string): InvalidConfig {
  return new InvalidConfig(`${file}: must be nested at most ${MAX_YAML_DEPTH} levels deep`)
}

function valueIn(file: string, text: string): unknown {
  const document = parseDocument(text, AS_TEXT)
  const [error] = document.errors
  if (error !== undefined) throw new InvalidConfig(`${file}: is not valid YAML: ${firstLine(error.message)}`)
  try {
    return document.toJS()
  } catch (err) {
    throw new InvalidConfig(`${file}: is not valid YAML: ${(err as Error).message}`)
  }
}

/** The others show the place in the text. The name of an option of the parser is left out. */
function firstLine(message: string): string {
  return message.split('\n', 1)[0]?.replace(/^With stringKeys, |:$/g, '') ?? ''
}

function readDescriptors(parent: ConfigMembers): readonly ConfigDescriptor[] {
  return parent.items('descriptors', DESCRIPTOR).map(readDescriptor)
}

function readDescriptor(members: ConfigMembers): ConfigDescriptor {
  const [key, value] = [members.text('key'), members.text('value')]
  if (key === '') throw members.fault('key', 'must not be empty')
  const flags = new Set(DESCRIPTOR_FLAGS.filter(flag => members.flag(flag)))
  if (flags.has('share_threshold') && !(value || key).endsWith('*')) {
    throw members.fault('share_threshold', 'is only for values that end in "*"')
  }
  const rateLimit = members.has('rate_limit') ? readLimit(members.object('rate_limit', RATE_LIMIT)) : undefined
  return { key, value, rateLimit, flags, hasMetadata: members.has('metadata'), descriptors: readDescriptors(members) }
}

function readLimit(members: ConfigMembers): ConfigLimit {
  const name = members.text('name')
  const replaces = members.items('replaces', ['name'])
  for (const replaced of replaces) {
    if (replaced.text('name') === '') throw replaced.fault('name', 'must not be empty')
    if (replaced.text('name') === name) throw replaced.fault('name', 'must not be the name of the same limit')
  }
  const unit = readUnit(members)
  const requestsPerUnit = members.integer('requests_per_unit', MAX_UINT32)
  return { unit, requestsPerUnit, name, hasReplaces: replaces.length > 0 }
}

function readUnit(members: ConfigMembers): OverrideUnit | undefined {
  const given = members.text('unit')
  const unit = OVERRIDE_UNITS.find(known => known === given.toUpperCase())
  if (!members.flag('unlimited')) {
    if (unit !== undefined) return unit
    const allowed = OVERRIDE_UNITS.join(', ').toLowerCase()
    throw members.fault('unit', `must be one of ${allowed} (got ${JSON.stringify(given)})`)
  }
  if (unit !== undefined) throw members.fault('unit', 'must be absent, since the limit is unlimited')
  return undefined
}
