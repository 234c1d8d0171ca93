import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Peer } from './peers.ts'

const LINES_OF_FAILURE = 3

export type Built = { readonly program: string } | { readonly failure: string }

/** Builds a peer, unless it was built before. */
export async function build(peer: Peer, root: string, signal: AbortSignal): Promise<Built> {
  const built = join(root, 'bin', peer.program)
  if (existsSync(built)) return { program: built }
  const { command, env } = peer.build(root)
  const [tool = '', ...args] = command
  try {
    await promisify(execFile)(tool, args, { env: { ...process.env, ...env }, signal })
    return { program: built }
  } catch (err) {
    signal.throwIfAborted()
    const { message, stderr = '' } = err as Error & { readonly stderr?: string }
    const reason = stderr.trim().split('\n').slice(-LINES_OF_FAILURE).join(' ') || message
    return { failure: `\`${command.join(' ')}\` failed: ${reason}` }
  }
}
