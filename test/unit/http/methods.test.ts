import { describe, expect, it, jest } from '@jest/globals'
import { RouteMap } from '../../../src/http/methods.ts'

const routes = new RouteMap()
routes.add('/', ['GET'])
routes.add('/config/:key', ['GET', 'HEAD'])
routes.add('/config/:key', ['PUT'])
routes.add('/config/export', ['GET'])
routes.add('/console/*', ['GET'])

describe('the methods of a path', () => {
  it.each([
    ['/', ['GET']],
    ['/config/a', ['GET', 'HEAD', 'PUT']],
    ['/config/export?a=b', ['GET']],
    ['http://localhost/config/a#b', ['GET', 'HEAD', 'PUT']],
    ['/config/a/b', []],
    ['/config', []],
    ['/console/a/b', ['GET']],
    ['/console', ['GET']],
    ['/other', []],
    ['*', []],
  ])('%s', (url, methods) => {
    expect(routes.methodsAt(url)).toEqual(methods)
  })

  it('are found without taking each pattern apart again', () => {
    const split = jest.spyOn(String.prototype, 'split')
    try {
      routes.methodsAt('/config/a')
      expect(split).toHaveBeenCalledTimes(1)
    } finally {
      split.mockRestore()
    }
  })
})

it('a path has a key if one of its patterns has one', () => {
  expect(['/config/a', '/config/export', '/console/a', '/other'].map(url => routes.hasKey(url))).toEqual([
    true,
    false,
    false,
    false,
  ])
})
