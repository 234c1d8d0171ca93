import { copyFile, mkdtemp, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A directory in which the built service runs as in the root of the repository, without a developer's `.env`. */
export async function linkCheckout(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'throttler-checkout-'))
  for (const name of ['dist', 'node_modules', 'package.json']) await symlink(join(ROOT, name), join(directory, name))
  // Node resolves links, and this file uses its own location.
  await copyFile(join(ROOT, 'ecosystem.config.cjs'), join(directory, 'ecosystem.config.cjs'))
  return directory
}
