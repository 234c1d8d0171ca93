import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import { ClientPackage } from '../support/client-package.ts'
import { allBlocks, blocksUnder } from '../support/documents.ts'
import { TypedApplication } from '../support/typed-application.ts'

const CLIENT_README = 'clients/typescript/README.md'

const documents = readdirSync(new URL('../../docs', import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.md'))
  .map(path => `docs/${path}`)
const programs = documents.flatMap(path => allBlocks(path, 'ts').map(program => [path, program] as const))

const THROTTLER = "declare const throttler: import('throttler-client').Throttler"
const EXPRESS_APP = "declare const app: import('express').Express"

/** What the README of the client leaves to the application, by the heading of its block. */
const COMPLETIONS: Readonly<Record<string, (block: string) => string>> = {
  '### Reservations': block => `
    ${THROTTLER}
    declare const prompt: string
    declare function generate(prompt: string): Promise<{ text: string; usage: { totalTokens: number } }>
    declare class TooManyRequests extends Error {
      constructor(decision: import('throttler-client').Decision | import('throttler-client').Fallback)
    }
    export async function answer(): Promise<string> {
      ${block}
    }`,
  '### Express': block => `${THROTTLER}\n${EXPRESS_APP}\n${block}`,
  '### Fastify': block => `${THROTTLER}\ndeclare const app: import('fastify').FastifyInstance\n${block}`,
  '### Counting failures only': block => `
    import { clientKey } from 'throttler-client'
    import { throttle } from 'throttler-client/express'
    ${THROTTLER}
    ${EXPRESS_APP}
    declare const logIn: import('express').RequestHandler
    ${block}`,
}
const [wholeProgram = '', ...parts] = allBlocks(CLIENT_README, 'ts')
const completed = Object.entries(COMPLETIONS).flatMap(([heading, complete]) =>
  blocksUnder(CLIENT_README, heading, 'ts').map(block => ({ heading, block, program: complete(block) })),
)

let client: ClientPackage
let application: TypedApplication
beforeAll(async () => {
  client = await ClientPackage.pack()
  application = await TypedApplication.install(client)
})
afterAll(() => client.remove())

it.each(programs)('the program in %s compiles', (_path, program) => application.compile('program.ts', program))

describe('the README of the client', () => {
  it('has a program that compiles', () => application.compile('program.ts', wholeProgram))

  it('has no other code than the parts that are compiled here', () => {
    expect(completed.map(({ block }) => block)).toEqual(parts)
  })

  it.each(completed)('has a part that compiles: $heading', ({ program }) => application.compile('part.ts', program))
})
