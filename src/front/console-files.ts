import { gzipSync } from 'node:zlib'
import type { FastifyRequest } from 'fastify'
import { readProjectFile } from '../lib/project-file.ts'
import { LOGO_URL } from './logo.ts'

const FOLDER = 'dist/console'

/** Files have plain names, which the page gives after this folder. */
const FILE_NAME = /"console\/([\w-]+\.(js|css))"/g

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
}

interface ConsoleFile {
  readonly mediaType: string
  readonly bytes: Buffer
  readonly compressed: Buffer
}

/** The console as `npm run build` wrote it, read when it is first asked for. */
export class ConsoleFiles {
  #page: string | undefined
  #files: ReadonlyMap<string, ConsoleFile> | undefined

  /** The page, with what it must know about its reader. */
  pageFor({ actor, isReadOnly }: Pick<FastifyRequest, 'actor' | 'isReadOnly'>): string {
    this.#page ??= readProjectFile(`${FOLDER}/index.html`)
    const values = { logo: LOGO_URL, operator: actor, access: isReadOnly ? 'read' : 'change' }
    return this.#page.replace(/%(logo|operator|access)%/g, (_, name: keyof typeof values) => attribute(values[name]))
  }

  /** A file that the page names. */
  find(name: string): ConsoleFile | undefined {
    this.#files ??= readFiles()
    return this.#files.get(name)
  }
}

function readFiles(): ReadonlyMap<string, ConsoleFile> {
  const names = readProjectFile(`${FOLDER}/index.html`).matchAll(FILE_NAME)
  return new Map(Array.from(names, ([, name = '', type = '']) => [name, readFile(name, type)]))
}

function readFile(name: string, type: string): ConsoleFile {
  const bytes = Buffer.from(readProjectFile(`${FOLDER}/${name}`))
  return { mediaType: MEDIA_TYPES[type] ?? '', bytes, compressed: gzipSync(bytes, { level: 9 }) }
}

/** The text as the value of an attribute in double quotes. */
function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
}
