import {
  announcementChannel,
  BucketKeys,
  ConfigKeys,
  heartbeatsKey,
  InsightKeys,
  idempotencyKeyOf,
  layoutKey,
} from '../keys.ts'
import type { RedisTarget } from './redis-target.ts'

/** A command that the service needs to run, on one of its keys or its channel. */
export interface Right {
  readonly command: string
  readonly args: readonly string[]
  /** The pattern of the keys, or the channel, that it concerns. */
  readonly on: { readonly keys: string } | { readonly channel: string }
}

/** With arguments, since Redis compares their number before it looks at rights; `$` is the key. */
const ANY_KEY = ['EVAL x 1 $', 'EVALSHA x 1 $', 'GET $', 'SET $ x', 'PTTL $', 'UNLINK $', 'DEL $', 'TIME']
const BUCKETS = ['PEXPIRETIME $', 'PEXPIREAT $ 1']
const HOLDS = [
  'ZADD $ 1 x',
  'ZREM $ x',
  'ZCARD $',
  'ZSCORE $ x',
  'ZRANGE $ 0 1',
  'ZRANGEBYSCORE $ 1 2',
  'ZREMRANGEBYRANK $ 0 1',
]
const HEARTBEATS = ['ZADD $ 1 x', 'ZREM $ x', 'ZCARD $', 'ZREMRANGEBYSCORE $ 1 2']
const INSIGHT = [
  ...['PEXPIRE $ 1', 'HINCRBY $ x 1', 'HGET $ x', 'HMGET $ x'],
  ...['ZINCRBY $ 1 x', 'ZREM $ x', 'ZSCORE $ x', 'ZCARD $', 'ZREVRANGE $ 0 1', 'ZREMRANGEBYRANK $ 0 1'],
  ...['XADD $ * x x', 'XLEN $', 'XTRIM $ MAXLEN 1', 'XREVRANGE $ + -'],
]

/** The commands of this service and of BullMQ, by the type of key. */
const POLICIES = [
  ...['EXISTS $', 'TYPE $', 'PEXPIRE $ 1', 'PERSIST $', 'RENAME $ $', 'INCR $', 'SCAN 0'],
  ...['HGET $ x', 'HMGET $ x', 'HGETALL $', 'HEXISTS $ x', 'HSCAN $ 0', 'HSET $ x x', 'HMSET $ x x', 'HDEL $ x'],
  ...['HINCRBY $ x 1', 'LINDEX $ 0', 'LLEN $', 'LRANGE $ 0 1', 'LPOS $ x', 'LPUSH $ x', 'RPUSH $ x', 'RPOP $'],
  ...['LREM $ 1 x', 'LTRIM $ 0 1', 'RPOPLPUSH $ $', 'SADD $ x', 'SREM $ x', 'SCARD $', 'SMEMBERS $', 'SMISMEMBER $ x'],
  ...['XADD $ * x x', 'XLEN $', 'XRANGE $ - +', 'XREVRANGE $ + -', 'XTRIM $ MAXLEN 1', 'XINFO STREAM $'],
  ...[
    'ZADD $ 1 x',
    'ZREM $ x',
    'ZCARD $',
    'ZCOUNT $ 1 2',
    'ZSCORE $ x',
    'ZSCAN $ 0',
    'ZRANGE $ 0 1',
    'ZREVRANGE $ 0 1',
  ],
  ...['ZRANGEBYSCORE $ 1 2', 'ZREVRANGEBYSCORE $ 2 1', 'ZRANGEBYLEX $ - +', 'ZREMRANGEBYSCORE $ 1 2'],
  ...['ZREMRANGEBYRANK $ 0 1', 'ZPOPMIN $', 'BZPOPMIN $ 1'],
]

/** Everything that the service does in this store, apart from `SUBSCRIBE`, which no transaction can contain. */
export function requiredRights({ variable, holdsPolicies, kind }: RedisTarget, keyPrefix: string): readonly Right[] {
  return [
    ...(kind === 'cluster' ? clusterRights(keyPrefix) : []),
    ...(variable === 'REDIS_URL' ? bucketRights(keyPrefix) : []),
    ...(holdsPolicies ? policyRights(keyPrefix) : []),
  ]
}

/** What the service asks the nodes of a cluster. */
export function clusterRights(keyPrefix: string): readonly Right[] {
  return rightsOn('', keyPrefix, ['CLUSTER SLOTS', 'CLUSTER INFO', 'CLUSTER KEYSLOT x'])
}

function bucketRights(keyPrefix: string): readonly Right[] {
  return [
    ...rightsOn(new BucketKeys(keyPrefix).bucket(''), keyPrefix, [...ANY_KEY, ...BUCKETS, ...HOLDS]),
    ...rightsOn(heartbeatsKey(keyPrefix), keyPrefix, HEARTBEATS),
    ...rightsOn(new InsightKeys(keyPrefix).denials, keyPrefix, INSIGHT),
  ]
}

function policyRights(keyPrefix: string): readonly Right[] {
  const channel = announcementChannel(keyPrefix)
  return [
    ...policyKeyRights(new ConfigKeys(keyPrefix, 0).writeProbe, keyPrefix),
    ...commonKeyRights(keyPrefix).flatMap(({ rights }) => rights),
    { command: 'PUBLISH', args: [channel, 'x'], on: { channel } },
  ]
}

/** What the service does with a key of the policy store. */
export interface KeyRights {
  readonly key: string
  readonly rights: readonly Right[]
}

/** What the service does with the keys that belong to no partition. */
export function commonKeyRights(keyPrefix: string): readonly KeyRights[] {
  return [layoutKey(keyPrefix), idempotencyKeyOf(keyPrefix, { actor: 'x', key: 'x' })].map(key => ({
    key,
    rights: rightsOn(key, keyPrefix, [...ANY_KEY, 'TYPE $']),
  }))
}

/** What the service does with the policies of a partition. @param key of this partition */
export function policyKeyRights(key: string, keyPrefix: string): readonly Right[] {
  return rightsOn(key, keyPrefix, [...ANY_KEY, ...POLICIES])
}

function rightsOn(key: string, keyPrefix: string, commands: readonly string[]): readonly Right[] {
  const keys = `${key.startsWith('{') ? '{' : ''}${keyPrefix}:*`
  return commands.map(text => {
    const [command = '', ...args] = text.split(' ')
    return { command, args: args.map(arg => (arg === '$' ? key : arg)), on: { keys } }
  })
}
