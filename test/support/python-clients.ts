import { spawnSync } from 'node:child_process'
import { isOnPath } from './on-path.ts'

/** Whether `python3` has the packages with which tests ask over RESP: redis and fakeredis. */
export function hasPythonClients(): boolean {
  return isOnPath('python3') && spawnSync('python3', ['-c', 'import redis, fakeredis']).status === 0
}
