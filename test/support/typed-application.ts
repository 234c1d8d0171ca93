import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ClientPackage, run } from './client-package.ts'

const MODULES = ['typescript', '@types/node', 'undici-types', 'fastify']
const EXPRESS_TYPES = fileURLToPath(new URL('express.d.ts', import.meta.url))
const OPTIONS = ['--noEmit', '--strict', '--module', 'nodenext', '--types', 'node', '--skipLibCheck']

/** An application in TypeScript that has installed the client, and the types of Express and Fastify. */
export class TypedApplication {
  readonly #directory: string

  private constructor(directory: string) {
    this.#directory = directory
  }

  static async install(client: ClientPackage): Promise<TypedApplication> {
    const directory = await client.install('module', MODULES)
    const types = join(directory, 'node_modules/@types/express')
    await mkdir(types)
    await writeFile(join(types, 'package.json'), JSON.stringify({ name: '@types/express', types: 'index.d.ts' }))
    await cp(EXPRESS_TYPES, join(types, 'index.d.ts'))
    return new TypedApplication(directory)
  }

  /** @throws with the errors of the compiler */
  async compile(name: string, program: string): Promise<void> {
    await writeFile(join(this.#directory, name), program)
    await run(this.#directory, process.execPath, ['node_modules/typescript/bin/tsc', ...OPTIONS, name])
  }
}
