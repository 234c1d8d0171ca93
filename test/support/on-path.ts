import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether a program can be run by its name. Looked for rather than run: pm2 starts its daemon whatever it is asked. */
export function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some(directory => existsSync(join(directory, program)))
}
