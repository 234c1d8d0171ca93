import { EventEmitter } from 'node:events'
import { describe, expect, it } from '@jest/globals'
import { TimeoutError } from '../../../../src/lib/deadline.ts'
import { failureReason, failureReasonOf, isDenied } from '../../../../src/redis/connection/failure-reason.ts'

const reply = (message: string) => Object.assign(new Error(message), { name: 'ReplyError' })

it.each([
  ["OOM command not allowed when used memory > 'maxmemory'.", 'out-of-memory'],
  ['ERR Error running script (call to f_1): @user_script:9: -OOM command not allowed', 'out-of-memory'],
  ["READONLY You can't write against a read only replica.", 'read-only'],
  ['MISCONF Redis is configured to save RDB snapshots', 'cannot-persist'],
  ['LOADING Redis is loading the dataset in memory', 'loading'],
  ['BUSY Redis is busy running a script.', 'busy'],
  ['WRONGPASS invalid username-password pair', 'not-authorized'],
  ['EXECABORT Transaction discarded because of: READONLY You cannot write against a read only replica.', 'read-only'],
  ["ERR The user executing the script can't run this command or subcommand", 'not-authorized'],
  [
    "ERR ACL failure in script: User u has no permissions to run the 'set' command script: on @user_script:1.",
    'not-authorized',
  ],
  ['CLUSTERDOWN The cluster is down', 'cluster-down'],
  ['CLUSTERDOWN Hash slot not served', 'unowned-slots'],
  ['ERR Script attempted to execute a write command while the cluster is down and readonly', 'cluster-down'],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'refused'],
])('the failure reason of "%s" is %s', (message, reason) => {
  expect(failureReason(reply(message))).toBe(reason)
})

it.each([
  "NOPERM User u has no permissions to run the 'set' command",
  "ERR The user executing the script can't run this command or subcommand script: 085b95, on @user_script:1.",
  "ERR ACL failure in script: User u has no permissions to run the 'set' command script: on @user_script:1.",
  "ERR Error running script (call to f_085b95): @user_script:1: @user_script: 1: The user executing the script can't run this command",
  "@user_script: 1: The user executing the script can't run this command or subcommand",
])('"%s" denies the user a right', message => {
  expect(isDenied(reply(message))).toBe(true)
})

it('the failure reason of a discarded transaction is that of its first refused command', () => {
  const discarded = reply('EXECABORT Transaction discarded because of previous errors.')
  const previousErrors = [reply("OOM command not allowed when used memory > 'maxmemory'.")]
  expect(failureReason(Object.assign(discarded, { previousErrors }))).toBe('out-of-memory')
})

it('the failure reason of an error that is not a reply is connection-lost', () => {
  expect(failureReason(new Error('Connection is closed.'))).toBe('connection-lost')
  expect(failureReason(undefined)).toBe('connection-lost')
})

it('the failure reason of a missed deadline is timeout', () => {
  expect(failureReason(new TimeoutError('no answer within 50 ms'))).toBe('timeout')
})

describe('the failure reason of a call whose connection was lost', () => {
  const lost = new Error('Connection is closed.')

  it.each([
    ['why the server refuses connections', 'WRONGPASS invalid username-password pair', 'not-authorized'],
    ['connection-lost if the server cannot be reached', 'connect ECONNREFUSED 127.0.0.1:1', 'connection-lost'],
  ])('is %s', (_, message, reason) => {
    const client = new EventEmitter()
    const reasonOf = failureReasonOf(client)
    client.emit('error', message.startsWith('WRONGPASS') ? reply(message) : new Error(message))
    expect(reasonOf(lost)).toBe(reason)
    client.emit('ready')
    expect(reasonOf(lost)).toBe('connection-lost')
  })

  it('is not-authorized while the nodes of a cluster do not tell their slots', () => {
    const client = new EventEmitter()
    const reasonOf = failureReasonOf(client)
    client.emit(
      'node error',
      reply("NOPERM User throttler has no permissions to run the 'cluster|slots' command"),
      'a:1',
    )
    client.emit('error', new Error('Failed to refresh slots cache.'))
    expect(reasonOf(lost)).toBe('not-authorized')
    client.emit('refresh')
    expect(reasonOf(lost)).toBe('connection-lost')
  })

  it('is read-only while the client leaves a demoted master', () => {
    const client = new EventEmitter()
    const reasonOf = failureReasonOf(client)
    client.emit('demoted', reply("READONLY You can't write against a read only replica."))
    expect(reasonOf(lost)).toBe('read-only')
    client.emit('ready')
    expect(reasonOf(lost)).toBe('connection-lost')
  })
})
