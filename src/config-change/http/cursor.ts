import { configKeyFault } from '../../domain/key.ts'
import { type Cursors, cursorsFor } from '../../http/cursors.ts'

/** Cursors that continue a list of keys with this prefix after a key. */
export function keyCursor(prefix: string): Cursors<string> {
  return cursorsFor(`for the prefix "${prefix}"`, {
    write: key => `k${key}`,
    read: text => {
      const key = text.slice(1)
      return text[0] === 'k' && configKeyFault(key) === undefined && key.startsWith(prefix) ? key : undefined
    },
  })
}

/** Cursors that continue the history of this key after a version. The console makes them too (`console/api/history.ts`). */
export function versionCursor(key: string): Cursors<number> {
  return cursorsFor(`for the history of "${key}"`, {
    write: version => `v${version} ${key}`,
    read: text => {
      const version = /^v([1-9][0-9]{0,14}) /.exec(text)?.[1]
      return version !== undefined && text.slice(version.length + 2) === key ? Number(version) : undefined
    },
  })
}
