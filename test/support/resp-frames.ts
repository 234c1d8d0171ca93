/** A command as clients send it. @param words as bytes, or as texts in UTF-8 */
export function frameOf(...words: readonly (string | Buffer)[]): Buffer {
  const parts = words.map(word => Buffer.from(word as string)).flatMap(word => [`$${word.length}\r\n`, word, '\r\n'])
  return Buffer.concat([`*${words.length}\r\n`, ...parts].map(part => Buffer.from(part as string)))
}
