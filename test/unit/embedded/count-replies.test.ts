import { expect, it } from '@jest/globals'
import { countReplies } from '../../../src/embedded/count-replies.ts'

it.each([
  ['', 0],
  ['+OK\r\n', 1],
  ['-ERR no\r\n:5\r\n+OK\r\n', 3],
  ['$2\r\n\r\n\r\n$-1\r\n$0\r\n\r\n', 3],
  ['*3\r\n:1\r\n*1\r\n$1\r\na\r\n+x\r\n*-1\r\n*0\r\n', 3],
  ['%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n_\r\n#t\r\n,1.5\r\n', 4],
  ['>3\r\n+message\r\n+channel\r\n+text\r\n+OK\r\n', 1],
  ['+OK\r\n$5\r\nab', 2],
  ['*2\r\n:1\r\n', 1],
  ['+O', 1],
])('%j holds %i replies', (text, count) => {
  expect(countReplies(Buffer.from(text))).toBe(count)
})
