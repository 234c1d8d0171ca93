import { COMBINED_FIELDS, combinedFormat, jsonFormat, type LogFormat } from '../simulation/access-log.ts'
import { CLIENT_KEY, withClientKey } from '../simulation/client-key.ts'
import { FieldTemplate, fieldsIn } from '../simulation/field-template.ts'
import { type RecordedCheck, RecordedChecks } from '../simulation/recorded-check.ts'
import { textOf } from './backend-options.ts'
import { type CliCommand, UsageError, type Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import { jsonLine, writeParts } from './output.ts'
import { TrafficFile } from './traffic-file.ts'

export const convertLogCommand: CliCommand = {
  arguments:
    'FILE [--format combined|json] [--at MEMBER] [--key TEMPLATE] [--policy TEMPLATE] [--tokens MEMBER] [--strict]',
  summary: 'writes the traffic for simulate from an access log',
  details: `  --format FORMAT     combined (the default; also reads common), or json: one JSON object per line
  --at MEMBER         json: the member with the time, as RFC 3339 text or a number; default: time. A number below 100000000000 is in
                      seconds since 1970, any other in milliseconds. The output has RFC 3339 text, which simulate reads
  --key TEMPLATE      the key of each check, with fields in braces; default: {${CLIENT_KEY}}
  --policy TEMPLATE   the policy that each check names; default: none
  --tokens MEMBER     json: the member with the tokens of each check; default: 1 token
  --strict            exit code 1 if a line is bad

Reads FILE (- for standard input) and writes one check per line to standard output. Fields of combined are
${COMBINED_FIELDS.join(', ')}. Those of json are its members; a dot leads into an object: user:{user.id}.
In both, ${CLIENT_KEY} is the key under which the recipes for nginx and HAProxy, and the TypeScript client, count remote_addr:
ip:203.0.113.7, or ip:2001:db8:1:2::/64 for an IPv6 address. A JSON member of that name has precedence. Lines that are bad, or that
lack a field, are named on standard error, counted and skipped.`,
  options: {
    format: { type: 'string' },
    at: { type: 'string' },
    key: { type: 'string' },
    policy: { type: 'string' },
    tokens: { type: 'string' },
    strict: { type: 'boolean' },
  },
  operands: { min: 1, max: 1 },
  run: async (values, [path = '']) => {
    const convert = conversionOf(values)
    const file = new TrafficFile(path)
    await writeParts(texts(file.map(convert)))
    return values['strict'] === true && file.bad > 0 ? ExitCode.found : ExitCode.ok
  },
}

type Convert = (line: string) => RecordedCheck

/** What `--format` names. */
interface Format {
  readonly read: LogFormat
  /** The fields that its lines have; `undefined` if they may have any. */
  readonly fields?: readonly string[]
}

/** @throws {UsageError} */
function conversionOf(values: Values): Convert {
  const { read, fields } = formatOf(values)
  const template = (option: string, text: string) => new FieldTemplate(accept(option, text, fields))
  const key = template('key', textOf(values['key']) ?? `{${CLIENT_KEY}}`)
  const policy = textOf(values['policy'])
  const policyTemplate = policy === undefined ? undefined : template('policy', policy)
  const tokens = textOf(values['tokens'])
  if (tokens !== undefined) accept('tokens', `{${tokens}}`, fields)
  const recorded = new RecordedChecks('an RFC 3339 time, or seconds or milliseconds since 1970')
  return line => {
    const request = read(line)
    return recorded.read({
      at: request.at,
      key: key.textOf(request),
      policy: policyTemplate?.textOf(request),
      tokens: tokens === undefined ? undefined : numberIn(request.field(tokens)),
    })
  }
}

/** @throws {UsageError} */
function formatOf(values: Values): Format {
  const name = textOf(values['format']) ?? 'combined'
  const at = textOf(values['at'])
  switch (name) {
    case 'combined':
      if (at !== undefined) throw new UsageError('--at is for --format json; a line of combined has one time')
      return { read: withClientKey(combinedFormat), fields: [...COMBINED_FIELDS, CLIENT_KEY] }
    case 'json':
      return { read: withClientKey(jsonFormat(at ?? 'time')) }
    default:
      throw new UsageError(`--format must be combined or json (got ${JSON.stringify(name)})`)
  }
}

/** @throws {UsageError} if the text names a field that no line has, or lacks a brace */
function accept(option: string, text: string, fields: readonly string[] | undefined): string {
  if (text.split('{').length !== text.split('}').length)
    throw new UsageError(`--${option} must have a "}" for each "{" (got ${JSON.stringify(text)})`)
  const unknown = fields && fieldsIn(text).find(field => !fields.includes(field))
  if (unknown === undefined) return text
  throw new UsageError(`--${option} names the field ${JSON.stringify(unknown)}; combined has ${fields?.join(', ')}`)
}

const INTEGER = /^\d{1,15}$/

/** Logs have numbers as text too. */
function numberIn(value: unknown): unknown {
  return typeof value === 'string' && INTEGER.test(value) ? Number(value) : value
}

async function* texts(parts: AsyncIterable<readonly RecordedCheck[]>): AsyncGenerator<string> {
  for await (const checks of parts) if (checks.length > 0) yield checks.map(checkLine).join('')
}

function checkLine({ atMs, key, tokens, policy }: RecordedCheck): string {
  return jsonLine({ at: new Date(atMs).toISOString(), key, tokens, policy })
}
