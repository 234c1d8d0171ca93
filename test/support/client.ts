/** A caller of the service that sends and receives JSON, and returns everything that a test may examine. */
export class Client {
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url
    this.#headers = headers
  }

  async request(
    method: string,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...this.#headers, ...headers },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = text !== '' && /[/+]json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined }
  }

  check(key: string, tokens?: number): Promise<Answer> {
    return this.request('POST', '/check', { key, ...(tokens !== undefined && { tokens }) })
  }

  get(path: string): Promise<Answer> {
    return this.request('GET', path)
  }

  /** Changes a policy and waits for the outcome. */
  put(key: string, policy: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.request('PUT', `/config/${encodeURIComponent(key)}`, policy, { prefer: 'wait=60', ...headers })
  }

  delete(key: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.request('DELETE', `/config/${encodeURIComponent(key)}`, undefined, { prefer: 'wait=60', ...headers })
  }
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests examine bodies of any form
  readonly body: any
}
