import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from '../../bench/peers/build.ts'
import { type PeerProcess, startPeer } from '../../bench/peers/peer-process.ts'
import { RATELIMIT, RATELIMIT_MODULE } from '../../bench/peers/peers.ts'

/** The fields of responses have the names that Throttler's have with `RATELIMIT_HEADERS=legacy`. */
const HEADERS = {
  LIMIT_RESPONSE_HEADERS_ENABLED: 'true',
  LIMIT_LIMIT_HEADER: 'x-ratelimit-limit',
  LIMIT_REMAINING_HEADER: 'x-ratelimit-remaining',
  LIMIT_RESET_HEADER: 'x-ratelimit-reset',
}

/** Configuration files by their names. */
export type Configs = Readonly<Record<string, string>>

/** A built envoyproxy/ratelimit, the reference of its protocol. */
export class ReferenceService {
  readonly #directory: string
  readonly #program: string

  private constructor(directory: string, program: string) {
    this.#directory = directory
    this.#program = program
  }

  /** Builds it with Go, which takes a minute or more. */
  static async build(): Promise<ReferenceService> {
    const directory = await mkdtemp(join(tmpdir(), 'throttler-reference-'))
    const built = await build(RATELIMIT, directory, new AbortController().signal)
    if ('failure' in built) throw new Error(built.failure)
    return new ReferenceService(directory, built.program)
  }

  /** The path of a file of its sources. */
  static sourceOf(path: string): string {
    const module = execFileSync('go', ['mod', 'download', '-json', RATELIMIT_MODULE], { encoding: 'utf8' })
    return join(JSON.parse(module).Dir, path)
  }

  /** Starts it with these configurations, with gRPC and HTTP. */
  start(configs: Configs, redisPort: number): Promise<PeerProcess> {
    const peer = {
      ...RATELIMIT,
      start: async (place: Parameters<typeof RATELIMIT.start>[0]) => {
        const { env, listens } = await RATELIMIT.start(place)
        const folder = join(place.directory, 'ratelimit', 'config')
        for (const [name, text] of Object.entries(configs)) await writeFile(join(folder, name), text)
        return { env: { ...env, ...HEADERS }, listens: { ...listens, HTTP: place.ports[0] } }
      },
    }
    return startPeer(peer, this.#program, redisPort)
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true })
  }
}
