import { describe, expect, it } from '@jest/globals'
import { parseRedisUrl, redactCredentials, redisUrlFaults, socketUrl } from '../../../src/settings/redis-url.ts'

const plain = { kind: 'standalone', tls: false, database: 0 }

describe('the URL of a Redis', () => {
  it.each([
    ['redis://host', { ...plain, endpoints: [{ host: 'host', port: 6379 }] }],
    ['redis://host:1/', { ...plain, endpoints: [{ host: 'host', port: 1 }] }],
    ['redis://10.0.0.1:6380/15', { ...plain, endpoints: [{ host: '10.0.0.1', port: 6380 }], database: 15 }],
    ['redis://[::1]:6380', { ...plain, endpoints: [{ host: '::1', port: 6380 }] }],
    ['rediss://a.b-c_d', { ...plain, tls: true, endpoints: [{ host: 'a.b-c_d', port: 6379 }] }],
    ['redis://:secret@h', { ...plain, endpoints: [{ host: 'h', port: 6379 }], password: 'secret' }],
    [
      'redis://a%40b:p%3Aq%2Fr%25@h',
      { ...plain, endpoints: [{ host: 'h', port: 6379 }], username: 'a@b', password: 'p:q/r%' },
    ],
    [
      'redis+cluster://ann:p:q@h1:7000,h2,[::1]:7002',
      {
        ...plain,
        kind: 'cluster',
        endpoints: [
          { host: 'h1', port: 7000 },
          { host: 'h2', port: 6379 },
          { host: '::1', port: 7002 },
        ],
        username: 'ann',
        password: 'p:q',
      },
    ],
    ['rediss+cluster://h/0', { ...plain, kind: 'cluster', tls: true, endpoints: [{ host: 'h', port: 6379 }] }],
    [
      'redis+sentinel://s1,s2:1/my%20master/3',
      {
        ...plain,
        kind: 'sentinel',
        endpoints: [
          { host: 's1', port: 26_379 },
          { host: 's2', port: 1 },
        ],
        masterName: 'my master',
        database: 3,
      },
    ],
    [
      'rediss+sentinel://:x@s/m',
      {
        ...plain,
        kind: 'sentinel',
        tls: true,
        endpoints: [{ host: 's', port: 26_379 }],
        masterName: 'm',
        password: 'x',
      },
    ],
    ['redis+unix:///run/redis/redis.sock', { ...plain, endpoints: [{ path: '/run/redis/redis.sock' }] }],
    [
      'redis+unix://ann:p%40q@/run/my%20redis/a%40b%3F.sock',
      { ...plain, endpoints: [{ path: '/run/my redis/a@b?.sock' }], username: 'ann', password: 'p@q' },
    ],
  ])('may be %s', (url, expected) => {
    expect(parseRedisUrl(url)).toEqual(expected)
  })

  it.each([
    ['http://host', /not a Redis URL/],
    ['redis:host', /not a Redis URL/],
    ['redis+cloud://host', /not a Redis URL/],
    ['redis://host?db=1', /not a Redis URL/],
    ['redis://', /"" is not a host/],
    ['redis://a b', /"a \*\*\*" is not a host/],
    ['redis://host:x', /"host:\*\*\*" is not a host/],
    ['redis://host:65536', /port 65536 is not between 1 and 65535/],
    ['redis://a,b', /several hosts/],
    ['redis+cluster://a,,b', /"" is not a host/],
    ['redis://host/one', /its path is not a database number/],
    ['redis://host/1/2', /its path is not a database number/],
    ['redis+cluster://host/1', /database 0 only/],
    ['redis+sentinel://host', /name of the master is missing/],
    ['redis+sentinel://host/name/x', /its path is not a database number/],
    ['redis://ann@host', /user has no password/],
    ['redis://ann:@host', /user has no password/],
    ['redis://:100%@host', /% does not begin/],
    ['rediss+unix:///run/redis.sock', /a Unix socket has no TLS: use redis\+unix/],
    ['redis+unix://run/redis.sock', /a Unix socket has no host: redis\+unix:\/\/\/path/],
    ['redis+unix://', /path of the socket is missing/],
    ['redis+unix:///run/', /path of the socket is missing/],
    ['redis+unix:///run/100%', /% does not begin/],
    ['redis+unix:///run/a%00b', /contains a NUL character/],
    ['redis+unix:///run/redis.sock?db=1', /not a Redis URL/],
    [`redis+unix:///${'x'.repeat(107)}`, /path of the socket has 108 bytes; at most 107 are allowed/],
    ['redis+unix://ann@/run/redis.sock', /user has no password/],
  ])('may not be %s', (url, fault) => {
    expect(() => parseRedisUrl(url)).toThrow(fault)
  })

  it('of a socket is written as it is read', () => {
    const [path, password] = ['/tmp/a b@c%/ü.sock', 'p:@/%']
    expect(parseRedisUrl(socketUrl(path, password))).toEqual({ ...plain, endpoints: [{ path }], password })
  })

  it.each([
    'redis+unix://:hunter2@/run/redis.sock',
    'redis://ann:hunter2@h',
    'redis://:hunter2@h',
    'redis://ann:hunt@er2@h/1',
    'redis+cluster://a:hunter2@h,i',
  ])('is shown without its password: %s', url => {
    expect(redactCredentials(url)).not.toMatch(/hunt|er2/)
  })

  const NOT_SHOWN = 'text without "://", which is not shown'
  it.each([
    ['hunter2@hunter2', `${NOT_SHOWN}: not a Redis URL`],
    ['redis:/ann:hunter2@host:6379', `${NOT_SHOWN}: not a Redis URL`],
    ['ann:hunter2@host:6379', `${NOT_SHOWN}: not a Redis URL`],
    ['http://ann:hunter2@host/hunter2', '"http://***@host…": not a Redis URL'],
    ['redis://host:6379?password=hunter2', '"redis://host:6379…": not a Redis URL'],
    ['redis://host:6379/1#hunter2', '"redis://host:6379…": not a Redis URL'],
    ['redis://ann:220/hunter2', '"redis://ann:220…": its path is not a database number'],
    ['redis://ann:hunter2', '"redis://ann:***": "ann:***" is not a host or host:port'],
    ['redis://ann:hunter2/hunter2', '"redis://ann:***…": "ann:***" is not a host or host:port'],
    ['redis://:hunter2,hunter2@', '"redis://***@": "" is not a host or host:port'],
    ['redis://host\nhunter2', '"redis://host\\n***": "host\\n***" is not a host or host:port'],
    ['redis://ann:220795', '"redis://ann:***": "ann:***" is not a host or host:port'],
    ['redis+cluster://h:1,ann:hunter2', '"redis+cluster://h:1,ann:***": "ann:***" is not a host or host:port'],
    [
      'redis+unix://ann:hunter2/run/redis.sock',
      '"redis+unix://ann:***…": a Unix socket has no host: redis+unix:///path',
    ],
    ['rediss+unix://:hunter2@/hunter2', '"rediss+unix://***@…": a Unix socket has no TLS: use redis+unix'],
    ['redis://ann:hunter2@h:x', '"redis://***@h:***": "h:***" is not a host or host:port'],
  ])('is reported without its password if it is malformed: %s', (url, given) => {
    const [fault] = redisUrlFaults('REDIS_URL', url)
    expect(fault).toContain(`(got ${given})`)
    expect(fault).not.toMatch(/hunter2|220795/)
  })

  it('is shown if it is malformed and looks like a host, unless a file holds it', () => {
    expect(redisUrlFaults('REDIS_URL', 'redis.example:6379')).toEqual([
      expect.stringContaining('(got "redis.example:6379": not a Redis URL)'),
    ])
    expect(redisUrlFaults('REDIS_URL', 'hunter2', true)).toEqual([
      expect.stringContaining(`(got ${NOT_SHOWN}: not a Redis URL)`),
    ])
  })
})
